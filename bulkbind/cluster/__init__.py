"""Many machines: the accounts of a run, worked by the workers of a Dask scheduler.

What they may do together is in ``job.accounts`` and in the ledger's leases; Dask only
says who works which account, and says it again when a worker is gone.
"""

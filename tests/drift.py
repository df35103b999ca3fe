"""What somebody else does to gateways past bulkbind."""

import json
from contextlib import closing
from http.client import HTTPConnection

from tests.factories import PROJECT, attach_as_somebody_else, hex_id


def rival(row):
    """The same API, and another plug-in of the same type."""
    return row._replace(plugin_id=hex_id("plugin", row.instance_id, "rival"))


def detach_as_somebody_else(served, one):
    """Take a binding away past bulkbind."""
    path = f"/v2/{PROJECT}/apigw/instances/{one.instance_id}/plugins/{one.plugin_id}"
    body = json.dumps({"env_id": one.env_id, "api_ids": [one.api_id]})
    with closing(HTTPConnection("127.0.0.1", served.port, timeout=30)) as connection:
        headers = {"X-Auth-Token": "sandbox", "Content-Type": "application/json"}
        connection.request("PUT", f"{path}/detach", body, headers)
        assert connection.getresponse().status == 204


def drift(served, rows):
    """Displace the first row, and take the second one away."""
    assert attach_as_somebody_else(served, rival(rows[0])) == 201
    detach_as_somebody_else(served, rows[1])

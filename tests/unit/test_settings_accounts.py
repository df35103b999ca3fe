"""Accounts of a job: where each is, and where its credential comes from."""

import pytest

from bulkbind.errors import SettingsError
from bulkbind.settings import Overrides, load_job
from bulkbind.settings.regions import KNOWN_REGIONS, endpoint_of


@pytest.fixture
def load(tmp_path):
    """Read a job file of some text."""

    def read(text, **overrides):
        job = tmp_path / "job.toml"
        (tmp_path / "apis.csv").touch()
        job.write_text(f'name = "j"\nmanifest = "apis.csv"\n{text}')
        return load_job(job, Overrides(**overrides), environ={})

    return read


def test_a_region_is_an_endpoint(load):
    job = load('[account]\nregion = "cn-north-4"\n')

    assert job.accounts["default"].endpoint == (
        "https://apig.cn-north-4.myhuaweicloud.com"
    )


@pytest.mark.parametrize(
    ("region", "product", "host"),
    [
        ("eu-west-101", "apig", "apig.eu-west-101.myhuaweicloud.eu"),
        ("cn-north-4", "roma", "roma.cn-north-4.myhuaweicloud.com"),
        ("somewhere-new-1", "apig", "apig.somewhere-new-1.myhuaweicloud.com"),
    ],
)
def test_endpoints_of_regions(region, product, host):
    assert endpoint_of(region, product=product) == f"https://{host}"


def test_the_vendors_regions_are_known():
    assert len(KNOWN_REGIONS) == 34


def test_accounts_have_keys_of_their_own(load):
    job = load(
        '[account]\nendpoint = "sandbox"\n'
        '[accounts.pay]\nregion = "eu-west-0"\nproject_id = "p"\n'
        'credential = "env:PAY_"\nrate = "5/min"\n'
        '[accounts.shop]\nendpoint = "https://apig.x.com"\n'
        'credential_command = ["vault", "read"]\n'
    )

    assert set(job.accounts) == {"default", "pay", "shop"}
    assert job.accounts["pay"].rate == (5, 60.0)
    assert job.accounts["pay"].credential == "env:PAY_"
    assert job.accounts["shop"].credential_command == ("vault", "read")
    assert job.accounts["default"].rate is None


def test_a_job_of_named_accounts_has_no_default(load):
    job = load('[accounts.pay]\nregion = "eu-west-0"\ncredential = "profile:pay"\n')

    assert set(job.accounts) == {"pay"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '[account]\nregion = "x-1"\nendpoint = "https://a.com"\n',
            "'default': endpoint and region",
        ),
        ('[accounts.pay]\nregion = "x-1"\n', "'pay': say where its credential"),
        (
            '[accounts.pay]\ncredential = "env:P_"\ncredential_command = ["x"]\n',
            "'pay': credential and credential_command",
        ),
        ('[accounts.pay]\ncredential = "hunter2"\n', "accounts.pay.credential"),
        ('[accounts."a b"]\nregion = "x-1"\n', "accounts.a b"),
        ('[account]\nproxy = "http://u:p@host:1"\n', "without a password"),
        ('[account]\nproduct = "apic"\n', "account.product"),
    ],
)
def test_what_cannot_be_meant_is_refused(load, text, words):
    with pytest.raises(SettingsError, match=words):
        load(text)


def test_the_sandbox_stands_in_for_every_account(load):
    job = load(
        '[account]\nendpoint = "https://a.com"\n'
        '[accounts.pay]\nregion = "eu-west-0"\ncredential = "env:PAY_"\n',
        endpoint="sandbox",
    )

    assert {account.endpoint for account in job.accounts.values()} == {"sandbox"}
    assert job.rehearsal


def test_an_endpoint_of_the_command_line_is_the_defaults(load):
    job = load(
        '[account]\nregion = "eu-west-0"\n'
        '[accounts.pay]\nregion = "eu-west-0"\ncredential = "env:PAY_"\n',
        endpoint="https://a.com",
    )

    assert job.accounts["default"].endpoint == "https://a.com"
    assert job.accounts["pay"].endpoint.startswith("https://apig.eu-west-0.")


def test_an_endpoint_for_nobody_is_refused(load):
    text = '[accounts.pay]\nregion = "eu-west-0"\ncredential = "env:PAY_"\n'

    with pytest.raises(SettingsError, match="account 'default'"):
        load(text, endpoint="https://a.com")


def test_a_region_of_the_command_line_replaces_the_endpoint(load):
    job = load(
        '[account]\nendpoint = "https://a.com"\n',
        values={"account.region": "eu-west-0"},
    )

    assert job.accounts["default"].endpoint.startswith("https://apig.eu-west-0.")


# --- the identity service -------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "region", "iam"),
    [
        (
            'region = "cn-north-4"',
            "cn-north-4",
            "https://iam.cn-north-4.myhuaweicloud.com",
        ),
        (
            'endpoint = "https://roma.eu-west-101.myhuaweicloud.eu"',
            *("eu-west-101", "https://iam.eu-west-101.myhuaweicloud.eu"),
        ),
        ('endpoint = "https://apig.example.com"', "", ""),
        ('endpoint = "https://apig.cn-north-4.myhuaweicloud.com.evil.org"', "", ""),
        (
            'endpoint = "https://a.x.com"\niam_endpoint = "https://i.x.com"\nregion = "r"',
            *("r", "https://i.x.com"),
        ),
    ],
)
def test_where_an_account_signs_in(load, text, region, iam):
    account = load(f"[account]\n{text}\n").accounts["default"]

    assert (account.region, account.iam_endpoint) == (region, iam)


def test_another_endpoint_on_the_command_line_takes_the_region_away(load):
    job = load('[account]\nregion = "cn-north-4"\n', endpoint="https://apig.x.com")

    assert job.accounts["default"].region == ""
    assert job.accounts["default"].iam_endpoint == ""


def test_an_identity_service_is_spoken_to_by_https_only(load):
    with pytest.raises(SettingsError, match="only https"):
        load('[account]\nregion = "r"\niam_endpoint = "http://iam.x.com"\n')


def test_the_instances_own_keys_may_be_named(load):
    job = load('[accounts.pay]\nregion = "r"\ncredential = "metadata"\n')

    assert job.accounts["pay"].credential == "metadata"

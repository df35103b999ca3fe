"""What may stand for a database, and what is refused without being repeated."""

import pytest

from bulkbind.ledger.address import check_address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "postgresql://db.example.com/ledgers",
        "postgres://me@db.example.com:5433/ledgers?sslmode=verify-full",
        "postgresql://me@[2001:db8::1]:5433/ledgers",
        "postgresql:///?service=ledgers",
        "postgresql:///ledgers?host=/run/postgresql",
        "postgresql://one,two:5433/ledgers?target_session_attrs=read-write",
        "postgresql://me%40corp@db.example.com/ledgers",
    ],
)
def test_an_address_without_a_secret_is_taken_as_it_is(url):
    assert check_address(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:canary@db.example.com/ledgers",
        "postgresql://:canary@db.example.com/ledgers",
        "postgresql://me:@db.example.com/canary",
        "postgresql://db.example.com/ledgers?password=canary",
        "postgresql://db.example.com/ledgers?sslpassword=canary",
        "postgresql://db.example.com/ledgers?PASSWORD=canary",
        "postgresql://db.example.com/ledgers?p%61ssword=canary",
        "postgresql://db.example.com/ledgers?passfile=/canary",
        "postgresql://db.example.com/ledgers?options=canary",
        "postgresql://db.example.com/ledgers#canary",
        "postgresql://db.example.com/ledgers canary",
        "postgresql://db.example.com/\ncanary",
        "mysql://canary/ledgers",
        "host=db password=canary",
        "canary",
    ],
)
def test_anything_else_is_refused_and_not_repeated(url):
    with pytest.raises(ValueError, match="PGPASSFILE") as refused:
        check_address(url)

    assert "canary" not in str(refused.value)

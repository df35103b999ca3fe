"""Regions -> endpoints.

Source: the vendor's SDK 3.1.219, ``apig_region.py``; apig-contract 4.6 and 6 (ROMA).
"""

import re

#: Regions whose hosts do not end like the others'.
_DOMAINS = {"eu-west-101": "myhuaweicloud.eu"}

_DOMAIN = "myhuaweicloud.com"

#: Regions that the vendor's SDK knows; any other is taken as it is.
KNOWN_REGIONS = frozenset(
    (
        *("cn-north-1", "cn-north-2", "cn-north-4", "cn-north-9", "cn-north-11"),
        *("cn-north-12", "cn-east-2", "cn-east-3", "cn-east-4", "cn-east-5"),
        *("cn-south-1", "cn-south-2", "cn-south-4", "cn-southwest-2"),
        *("cn-southwest-3", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3"),
        *("ap-southeast-4", "ap-southeast-5", "af-south-1", "af-north-1"),
        *("la-south-2", "la-north-2", "na-mexico-1", "sa-brazil-1", "tr-west-1"),
        *("ae-ad-1", "me-east-1", "my-kualalumpur-1", "eu-west-0", "eu-west-101"),
        *("ru-moscow-1", "ru-northwest-2"),
    )
)


def endpoint_of(region: str, *, product: str = "apig") -> str:
    """Return the endpoint of a product in a region.

    Args:
        region: As the vendor writes it.
        product: ``apig`` or ``roma``.
    """
    return f"https://{product}.{region}.{_DOMAINS.get(region, _DOMAIN)}"


def region_of(endpoint: str) -> str:
    """Return the region of one of the vendor's own endpoints; of any other nothing."""
    found = re.fullmatch(
        r"https://(?:apig|roma)\.([a-z0-9-]+)\.myhuaweicloud\.(?:com|eu)", endpoint
    )
    return found[1] if found else ""


def iam_endpoint_of(region: str) -> str:
    """Return the endpoint of the identity service in a region."""
    return f"https://iam.{region}.{_DOMAINS.get(region, _DOMAIN)}"

"""Who a sandbox lets in, on a clock that the test moves."""

import json
from typing import Any

import pytest

from bulkbind.auth.signing import authorization, sdk_date
from bulkbind.sandbox import MemoryWorld, Request, SandboxOptions, Service
from bulkbind.sandbox.account import AccessKey, Account, Grant, Project, User
from bulkbind.sandbox.rights import ALIASES, NEEDS
from bulkbind.sandbox.routes import CHANGES, READS
from tests.contract.sandbox_clients import APIS, RELEASE, furnish

NORTH = Project("1" * 32, "cn-north-4", "cn-north-4")
SOUTH = Project("2" * 32, "cn-south-1", "cn-south-1")
START_NS = 1_795_500_000 * 10**9
ENVS = "/v2/{}/{}/instances/gw/envs"


class Door:
    """A sandbox of an account, and callers with a key or a token."""

    def __init__(self, **account):
        world = MemoryWorld()
        furnish(world)
        self.now_ns = START_NS
        options = SandboxOptions(account=Account(**account))
        self.service = Service(world, options=options, started=0.0)

    def later(self, seconds):
        self.now_ns += int(seconds * 1e9)

    def ask(self, request, body=b""):
        now = (self.now_ns - START_NS) / 1e9
        return self.service.ask(request, body=body, now=now, now_ns=self.now_ns)

    def code(self, request, body=b""):
        seen = self.ask(request, body)
        told = json.loads(seen.body) if seen.body else {}
        return seen.status, told.get("error_code", "")

    def signed(self, access, secret, *, method="GET", target="", **more):
        """Make a request that bulkbind signs; ``late_s``: how far its clock is off."""
        target = target or ENVS.format(NORTH.project_id, "apigw")
        body = more.get("body", b"")
        headers = {
            "host": "gateway",
            "x-sdk-date": sdk_date(self.now_ns / 1e9 + more.get("late_s", 0)),
            **more.get("headers", {}),
        }
        headers["authorization"] = authorization(
            method=method,
            target=target,
            headers=headers,
            body=body,
            key=access,
            secret=secret,
        )
        return Request(method, target, "", "", headers, body)

    def token(self, name, password, *, scope=None):
        """Return the token that IAM gives out, or why it gives none."""
        user = {"name": name, "password": password, "domain": {"name": "sandbox"}}
        identity = {"methods": ["password"], "password": {"user": user}}
        wish = {"auth": {"identity": identity, "scope": scope or {}}}
        body = json.dumps(wish).encode()
        seen = self.ask(Request("POST", "/v3/auth/tokens", "", "", {}, body))
        if seen.status != 201:
            return seen.status
        return seen.headers["X-Subject-Token"]

    def by_token(self, token, project=NORTH, product="apigw"):
        target = ENVS.format(project.project_id, product)
        return self.code(Request("GET", target, token))


# --- keys -----------------------------------------------------------------------------


def test_a_right_signature_is_let_in_and_a_wrong_one_is_shown_what_to_sign():
    door = Door()
    good = door.signed("sandbox", "sandbox")
    bad = door.ask(door.signed("sandbox", "other"))

    assert door.code(good) == (200, "")
    assert bad.status == 401
    target = ENVS.format(NORTH.project_id, "apigw")
    told = json.loads(bad.body)["error_msg"]
    assert f"verify aksk signature fail, canonicalRequest:GET|{target}/||host:" in told


@pytest.mark.parametrize("part", ["method", "target", "body"])
def test_a_signed_request_that_was_changed_on_its_way_is_refused(part):
    door = Door()
    target = f"/v2/{NORTH.project_id}/apigw/instances/gw/plugins/cors1/attach"
    body = json.dumps({"env_id": RELEASE, "api_ids": APIS[:1]}).encode()
    request = door.signed("sandbox", "sandbox", method="POST", target=target, body=body)
    changed: dict[str, Any] = {
        "method": {"method": "PUT", "target": target.replace("attach", "detach")},
        "target": {"target": target.replace("cors1", "cors2")},
        "body": {"body": body.replace(APIS[0].encode(), APIS[1].encode())},
    }

    assert door.code(request, body)[0] == 201
    forged = request._replace(**changed[part])
    assert door.code(forged, forged.body) == (401, "APIGW.0301")


@pytest.mark.parametrize(
    ("late_s", "status"), [(899, 200), (-899, 200), (901, 401), (-901, 401)]
)
def test_a_clock_may_be_a_quarter_of_an_hour_off(late_s, status):
    door = Door()

    assert door.code(door.signed("sandbox", "sandbox", late_s=late_s))[0] == status


def test_a_key_is_locked_by_five_failures_in_a_row_for_five_minutes():
    door = Door(keys=[AccessKey("other", "secret")])
    for _ in range(4):
        assert door.code(door.signed("sandbox", "wrong"))[0] == 401
    assert door.code(door.signed("sandbox", "sandbox"))[0] == 200
    for _ in range(5):
        assert door.code(door.signed("sandbox", "wrong"))[0] == 401
    locked = json.loads(door.ask(door.signed("sandbox", "sandbox")).body)

    assert "failed to reach the limit,forbidden" in locked["error_msg"]
    assert door.code(door.signed("other", "secret"))[0] == 200
    door.later(299)
    assert door.code(door.signed("sandbox", "sandbox"))[0] == 401
    door.later(1)
    assert door.code(door.signed("sandbox", "sandbox"))[0] == 200


def test_a_temporary_key_needs_its_token_and_ends():
    key = AccessKey("sts", "secret", "its-token", START_NS + 900 * 10**9)
    door = Door(keys=[key])
    own = {"x-security-token": "its-token"}
    headers = [own, {}, {"x-security-token": "another"}]
    seen = [door.code(door.signed("sts", "secret", headers=one)) for one in headers]
    door.later(900)

    assert [status for status, _ in seen] == [200, 401, 401]
    assert door.code(door.signed("sts", "secret", headers=own))[0] == 401


def test_an_unknown_key_and_what_is_no_signature_are_refused():
    door = Door()
    unknown = json.loads(door.ask(door.signed("nobody", "secret")).body)
    basic = door.signed("sandbox", "sandbox")
    basic = basic._replace(headers={**basic.headers, "authorization": "Basic eA=="})

    assert "ak not exist" in unknown["error_msg"]
    assert door.code(basic) == (401, "APIGW.0305")


def test_no_secret_shows():
    key = AccessKey("ak", "HIDDEN", "HIDDEN")
    account = Account(keys=[key], users=[User("name", "HIDDEN")])

    assert "HIDDEN" not in repr(account)


# --- tokens ---------------------------------------------------------------------------


def here(**more):
    """Make a door of gateways in the north."""
    return Door(projects=[NORTH, SOUTH], region="cn-north-4", **more)


def test_a_token_is_good_for_a_day_in_its_project():
    door = here()
    token = door.token("sandbox", "sandbox", scope={"project": {"name": NORTH.name}})

    assert door.by_token(token) == (200, "")
    assert door.by_token(token, SOUTH) == (403, "APIGW.0310")
    door.later(86_399)
    assert door.by_token(token) == (200, "")
    door.later(1)
    assert door.by_token(token) == (401, "APIGW.0307")


def test_a_token_of_another_region_and_one_without_project_are_told_apart():
    door = here()
    south = door.token("sandbox", "sandbox", scope={"project": {"name": SOUTH.name}})
    domain = {"domain": {"name": "sandbox"}}
    without = door.token("sandbox", "sandbox", scope=domain)

    assert door.by_token(south, SOUTH) == (401, "APIGW.0307")
    assert door.by_token(without) == (401, "APIG.1003")
    assert door.code(
        door.signed("sandbox", "sandbox", target=ENVS.format(SOUTH.project_id, "apigw"))
    ) == (403, "APIGW.0310")
    unknown = Project("3" * 32, "", "")
    assert door.by_token("sandbox", unknown) == (403, "APIGW.0310")


def test_a_wrong_password_an_unknown_project_and_nonsense_give_no_token():
    door = here(users=[User("ann", "secret")])

    assert door.token("ann", "wrong") == 401
    assert door.token("bob", "secret") == 401
    assert door.token("ann", "secret", scope={"project": {"name": "mars"}}) == 404
    assert door.token("ann", "secret", scope={"project": {}}) == 404
    request = Request("POST", "/v3/auth/tokens", "", "", {}, b"{")
    assert door.ask(request).status == 400


def test_a_region_names_its_project_to_whoever_signs():
    door = here()
    target = f"/v3/projects?name={SOUTH.name}"
    seen = door.ask(door.signed("sandbox", "sandbox", target=target))
    refused = door.ask(door.signed("sandbox", "wrong", target=target))

    found = json.loads(seen.body)["projects"]
    assert [project["id"] for project in found] == [SOUTH.project_id]
    assert refused.status == 401


# --- rights ---------------------------------------------------------------------------

PATHS = {name: (method, path) for name, method, path, _ in CHANGES} | {
    name: ("GET", path) for name, path, _ in READS
}


def call(name, *, gateway="gw", token="sandbox"):  # noqa: S107
    method, path = PATHS[name]
    target = path.format(
        project_id="p",
        product="apigw",
        instance_id=gateway,
        plugin_id="cors1",
        api_id=APIS[0],
    )
    body: dict[str, Any] = {"env_id": RELEASE}
    body |= {"plugin_ids": ["cors1"]} if "plugins" in name else {"api_ids": APIS[:1]}
    query = f"?env_id={RELEASE}" if name == "attachable_apis" else ""
    return Request(method, target + query, token), json.dumps(body).encode()


def test_every_operation_needs_a_right():
    assert set(NEEDS) == set(PATHS)


@pytest.mark.parametrize("name", sorted(PATHS))
def test_an_operation_is_refused_unless_all_its_rights_are_there(name):
    enough = Door(grants=[Grant(NEEDS[name])])
    assert enough.ask(*call(name)).status in {200, 201, 204}

    for lacking in NEEDS[name]:
        rest = tuple(action for action in NEEDS[name] if action != lacking)
        door = Door(grants=[Grant(rest)])
        assert door.code(*call(name)) == (403, "APIG.1005")


def test_the_names_of_role_based_policies_are_the_same_rights():
    assert set(ALIASES) == {action for needs in NEEDS.values() for action in needs}

    for name, needs in NEEDS.items():
        door = Door(grants=[Grant(tuple(ALIASES[action] for action in needs))])
        assert door.ask(*call(name)).status in {200, 201, 204}


def test_a_refused_attach_has_no_effect_and_keeps_no_gateway_busy():
    door = Door(grants=[Grant(("apig:*:get", "apig:plugin:listBoundApi"))])

    assert door.code(*call("attach_apis")) == (403, "APIG.1005")
    listed = json.loads(door.ask(*call("attached_apis")).body)
    assert listed["total"] == 0
    assert door.service.counters.max_parallel_per_gateway == 0


def test_a_grant_with_tags_holds_only_where_the_gateway_has_them():
    tagged = Grant(NEEDS["attach_apis"], {"team": "a", "stage": "test"})
    tags = {"gw": {"team": "a", "stage": "test", "x": "y"}, "gw2": {"team": "a"}}
    door = Door(grants=[tagged], tags=tags)

    assert door.code(*call("attach_apis")) == (201, "")
    assert door.code(*call("attach_apis", gateway="gw2")) == (403, "APIG.1005")


def test_keys_and_users_have_rights_of_their_own():
    reading = [Grant(NEEDS["envs"])]
    door = Door(
        keys=[AccessKey("reader", "secret", grants=reading)],
        users=[User("reader", "secret", grants=reading), User("all", "secret")],
        grants=(),
    )
    scope = {"project": {"id": NORTH.project_id}}
    reader = door.token("reader", "secret", scope=scope)

    assert door.code(door.signed("reader", "secret"))[0] == 200
    assert door.code(door.signed("sandbox", "sandbox")) == (403, "APIG.1005")
    assert door.by_token(reader)[0] == 200
    plugins = f"/v2/{NORTH.project_id}/apigw/instances/gw/plugins"
    everything = door.token("all", "secret", scope=scope)
    assert door.code(Request("GET", plugins, reader)) == (403, "APIG.1005")
    assert door.code(Request("GET", plugins, everything))[0] == 200


# --- ROMA Connect ---------------------------------------------------------------------


def test_roma_has_another_path_and_spells_refusals_its_own_way():
    door = Door()
    request, body = call("attach_apis")
    roma = request._replace(target=request.target.replace("/apigw/", "/apic/"))

    assert door.code(roma, body)[0] == 201
    listed = json.loads(door.ask(*call("attached_apis")).body)
    assert [item["api_id"] for item in listed["apis"]] == APIS[:1]
    refused = door.code(roma._replace(token=""), body)
    assert refused == (401, "APIC.0301")
    target = ENVS.format("p", "other")
    assert door.code(Request("GET", target)) == (404, "APIGW.0101")

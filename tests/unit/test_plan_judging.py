"""What is bound now and what is wanted -> judgement -> fate -> record."""

import pytest

from bulkbind.model import Action, OurCode, RecordKind, Scope, Target
from bulkbind.plan import (
    SEND,
    Binding,
    Fate,
    Judged,
    Judgement,
    OnReplace,
    Picture,
    What,
    decide,
    judge,
    record_of,
)

TARGET = Target(0, "default", "pro", "gw", "ours", "env", 0, "cors")

#: a: ours. b: free. c: another's. d: unpublished. Nothing else exists.
PICTURE = Picture(
    read_at=7.0,
    mine={"a": Binding("attach-a", "yesterday")},
    apis={
        "a": frozenset({"env"}),
        "b": frozenset({"env", "test"}),
        "c": frozenset({"env"}),
        "d": frozenset({"test"}),
    },
    others={"c": "theirs"},
    plugin_name="our plug-in",
    env_name="RELEASE",
)


def judged(api_id, picture=PICTURE, action=Action.ATTACH, **how) -> Judgement:
    (one,) = judge(picture, [api_id], target=TARGET, action=action, **how)
    return one


@pytest.mark.parametrize(
    ("api_id", "judgement"),
    [
        ("a", Judgement(Judged.UNCHANGED)),
        ("b", Judgement(Judged.BIND)),
        ("c", Judgement(Judged.REPLACE, "theirs")),
        ("d", Judgement(Judged.IMPOSSIBLE, code=OurCode.API_UNPUBLISHED)),
        ("e", Judgement(Judged.IMPOSSIBLE, code=OurCode.API_UNKNOWN)),
    ],
)
def test_what_a_row_to_be_bound_comes_to(api_id, judgement):
    assert judged(api_id) == judgement


@pytest.mark.parametrize(
    ("api_id", "judgement"),
    [
        ("a", Judgement(Judged.UNBIND, "ours")),
        ("b", Judgement(Judged.UNCHANGED)),
        ("c", Judgement(Judged.UNCHANGED, "theirs")),
        ("e", Judgement(Judged.UNCHANGED)),
    ],
)
def test_what_a_row_to_be_unbound_comes_to(api_id, judgement):
    assert judged(api_id, action=Action.DETACH) == judgement


def test_rebind_binds_what_is_so_already():
    assert judged("a", rebind=True) == Judgement(Judged.BIND, "ours")


@pytest.mark.parametrize("code", [OurCode.PLUGIN_UNKNOWN, OurCode.ENV_UNKNOWN])
def test_without_plugin_or_environment_every_row_is_impossible(code):
    picture = Picture(read_at=0.0, missing=code)

    assert judged("a", picture) == Judgement(Judged.IMPOSSIBLE, code=code)


def test_an_offline_api_that_is_bound_already_is_unchanged():
    picture = Picture(read_at=0.0, mine={"d": Binding("", "")}, apis={"d": frozenset()})

    assert judged("d", picture) == Judgement(Judged.UNCHANGED)


REPLACE = Judgement(Judged.REPLACE, "theirs")
BIND = Judgement(Judged.BIND)


@pytest.mark.parametrize(
    ("policy", "approved", "what"),
    [
        (OnReplace.STOP, None, What.HELD),
        (OnReplace.STOP, "theirs", What.SEND),
        (OnReplace.STOP, "a third", What.HELD),
        (OnReplace.STOP, "", What.HELD),
        (OnReplace.SKIP, None, What.KEPT),
        (OnReplace.SKIP, "theirs", What.SEND),
        (OnReplace.ALLOW, None, What.SEND),
        (OnReplace.ALLOW, "a third", What.SEND),
        (OnReplace.KEEP, "theirs", What.SEND),
        (OnReplace.KEEP, "a third", What.KEPT),
        (OnReplace.KEEP, "", What.KEPT),
    ],
)
def test_who_may_be_displaced(policy, approved, what):
    assert decide(REPLACE, policy=policy, approved=approved).what is what


@pytest.mark.parametrize(
    ("policy", "approved", "what"),
    [
        (OnReplace.STOP, None, What.SEND),
        (OnReplace.STOP, "gone by now", What.SEND),
        (OnReplace.KEEP, "", What.SEND),
        (OnReplace.KEEP, "gone by now", What.KEPT),
    ],
)
def test_a_free_slot_displaces_nobody(policy, approved, what):
    assert decide(BIND, policy=policy, approved=approved).what is what


def test_an_undo_keeps_what_somebody_put_there_since():
    theirs = Judgement(Judged.UNCHANGED, "theirs")

    assert decide(theirs, policy=OnReplace.KEEP).code == OurCode.CHANGED_SINCE
    assert decide(theirs, policy=OnReplace.STOP).what is What.UNCHANGED


def record(fate, positions=(0, 2), others=("", "theirs"), bindings=(None, None)):
    return record_of(
        fate,
        positions,
        others,
        bindings=bindings,
        picture=PICTURE,
        batch=3,
        invocation=1,
    )


def test_rows_to_be_sent_keep_a_picture():
    made = record(SEND)

    assert made is not None
    assert made.kind is RecordKind.PICTURE
    assert (made.at, made.span, made.others) == (7.0, (0, 2), ("", "theirs"))


def test_unchanged_rows_keep_what_the_list_shows():
    binding = Binding("attach", "yesterday")
    made = record(Fate(What.UNCHANGED), bindings=(binding, binding))

    assert made is not None
    assert (made.kind, made.scope) == (RecordKind.READING, Scope.DONE)
    assert made.receipts.positions == (0, 2)
    assert made.receipts.attach_ids == ("attach", "attach")
    assert (made.plugin_name, made.env_name) == ("our plug-in", "RELEASE")


@pytest.mark.parametrize(
    ("code", "scope"),
    [
        (OurCode.API_UNKNOWN, Scope.ITEM),
        (OurCode.PLUGIN_UNKNOWN, Scope.TARGET),
    ],
)
def test_impossible_rows_end_with_their_code(code, scope):
    made = record(Fate(What.FAILED, code, "why"))

    assert made is not None
    assert (made.kind, made.scope, made.code) == (RecordKind.READING, scope, code)


@pytest.mark.parametrize("what", [What.UNREAD, What.HELD])
def test_of_what_was_not_read_nothing_is_written(what):
    assert record(Fate(what)) is None

"""Texts that want to be more than text, planted in every field; pages must show them as what they are."""

import re

from playwright.sync_api import Page

from accounts import keys
from accounts.journal import SERVICE, Actor, record
from accounts.models import NAME_LENGTH, User
from accounts.roles import Role
from mailings import clock, pace, queue
from mailings.gateway import Cause
from mailings.models import Mailing
from mailings.policy import Reason, State, Verdict
from tests.makers import make_client, make_jobs, make_outcome, make_running_mailing, make_settlements

CORPUS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "<div hx-get=/sign-out/ hx-trigger=load>",
    "</textarea></title><vestnik-x>",
    "]]><!--",
    "{{ 7*7 }}{% raw %}{# x #}",
    "${7*7}\\u003cb\\u003e",
    "javascript:alert(1)",
    "'; DROP TABLE clients_client; --",
    '\\"};alert(1)//',
    "&amp;&lt;b&gt;&#60;",
    "%0d%0aSet-Cookie:%20x=1%00",
    "\u202etxt.exe\u202c\u2066",
    "Z\u0351\u036b\u0343\u032a\u0302a\u0336\u0316",
    "\U0001f4a5\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "a\x01b\x1b[31mc\x7f\x85\u2028d",
    "=HYPERLINK(1)",
    "W" * 30,
]
WICKED = " ".join(CORPUS[:5])
AGENT = f"agent~{CORPUS[1]} {CORPUS[4][-11:]}"
# each field's texts begin with its name, so that a page can be asked what became of them
PLANTED = {
    "tag": [f"tag~{text}" for text in CORPUS],
    "word": [f"word~{text}"[:40] for text in CORPUS],
    "attribute": [f"attribute~{text}" for text in CORPUS],
    "name": [f"name~{WICKED}"],
    "text": ["text~" + " ".join(text for text in CORPUS if "{{" not in text)],
    "answer": ["answer~" + " ".join(CORPUS[:14])],
    "reason": [f"reason~{WICKED}"],
    "key": [f"key~{CORPUS[0]}{CORPUS[1]}"],
    "agent": [AGENT],
    "person": [f"person~{CORPUS[0]}{CORPUS[1]}"],
}
# what the corpus would add to a page that takes it for more than text
_ADDED = """document.querySelectorAll(`script:not([src^="/static/"]), img[src="x"], svg[onload], base, iframe,
    vestnik-x, [onerror], [hx-get="/sign-out/"], [href^="javascript:" i], [action^="javascript:" i]`).length"""
# all that a page says: its texts, what its fields hold, and what is read out of attributes
_SAID = """[document.documentElement.textContent,
    ...[...document.querySelectorAll("input, textarea")].map((field) => field.value),
    ...[...document.querySelectorAll("[title], [aria-label], [placeholder]")].flatMap((element) =>
        [element.title, element.ariaLabel ?? "", element.placeholder ?? ""]),
].join("\\n")"""


def plant(person: User) -> Mailing:
    """A mailing, its recipients, the gateway and the people, full of it."""
    make_client(attributes=dict(zip(PLANTED["word"], PLANTED["attribute"], strict=True)), tag=PLANTED["tag"][0])
    for tag in PLANTED["tag"][1:]:
        make_client(tag=tag)
    User.objects.filter(pk=person.pk).update(name=PLANTED["person"][0])
    keys.create(SERVICE, PLANTED["key"][0], Role.VIEWER)
    mailing = make_running_mailing(
        name=PLANTED["name"][0], text=PLANTED["text"][0], tags=tuple(PLANTED["tag"]), on_unknown="hold"
    )
    refused = make_outcome(Cause.REFUSED, http_status=400, detail=PLANTED["answer"][0])
    queue.settle(
        make_settlements(make_jobs(mailing, 9), Verdict(State.FAILED, Reason.REFUSED), refused), now=clock.now()
    )
    pace.current(clock.now())
    pace.stop(SERVICE, reason=PLANTED["reason"][0])
    keys.create(Actor(user=person), WICKED[:NAME_LENGTH], Role.VIEWER)
    record(SERVICE, "change", mailing, before={"name": PLANTED["name"][0]}, after={WICKED: [WICKED]})
    return mailing


def added(page: Page) -> int:
    """How many elements the corpus has smuggled in."""
    return int(page.evaluate(_ADDED))


def said(page: Page) -> str:
    return str(page.evaluate(_SAID))


def literal(text: str) -> set[str]:
    """Those of the planted texts that stand in what a page says."""
    return {planted for texts in PLANTED.values() for planted in texts if planted in text}


def distorted(text: str) -> list[str]:
    """Where a planted text begins but goes on otherwise, unless it is cut with an ellipsis."""
    found = []
    for field, texts in PLANTED.items():
        for match in re.finditer(f"(?<![a-z]){field}~", text):
            rest = text[match.start() : match.start() + 1600]
            if not any(rest.startswith(planted) or _is_cut(rest, planted) for planted in texts):
                found.append(rest[:80])
    return found


def _is_cut(rest: str, planted: str) -> bool:
    beginning, ellipsis, _ = rest.partition("…")
    return bool(ellipsis) and planted.startswith(beginning.rstrip())

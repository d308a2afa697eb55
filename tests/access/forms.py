"""The forms of a page as a browser would send them untouched."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlsplit

# what a person would choose and type where a form is still empty
CHOSEN = {"audience": "everyone"}
TYPED = {
    "phone": "+7 901 555-00-01",
    "timezone": "Europe/Moscow",
    "text": "Hello",
    "email": "new@example.com",
    "name": "Somebody",
    "decision": "sent",
    "role": "viewer",
}


@dataclass(slots=True)
class Form:
    """Where it is sent, how, and the values it holds by their names."""

    action: str
    method: str
    values: dict[str, list[str]] = field(default_factory=dict)

    @property
    def filled(self) -> dict[str, list[str]]:
        """As it is, with something typed where it is empty, and with the choices that need no other."""
        empty = {name for name, said in self.values.items() if not any(said)}
        typed = {name: [TYPED[name]] for name in empty & TYPED.keys()}
        return self.values | typed | {name: [CHOSEN[name]] for name in self.values.keys() & CHOSEN.keys()}


def forms(page: str, address: str) -> list[Form]:
    """Every form of the page that is found at this address."""
    reader = _Reader(address)
    reader.feed(page)
    return reader.forms


class _Reader(HTMLParser):
    def __init__(self, address: str) -> None:
        super().__init__()
        self.address, self.forms = address, list[Form]()
        self.inside, self.name, self.text = False, "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            action = urlsplit(said.get("action") or self.address).path
            self.forms.append(Form(action, said.get("method", "get").upper()))
            self.inside = True
        elif self.inside and tag in ("input", "button") and said.get("name"):
            is_chosen = said.get("type") not in ("radio", "checkbox") or "checked" in said
            self._put(said["name"], said.get("value", "") if is_chosen else None)
        elif self.inside and tag in ("select", "textarea"):
            self.name, self.text = said.get("name", ""), ""
            self._put(self.name, None)
        elif self.inside and tag == "option" and self.name and "selected" in said:
            self._put(self.name, said.get("value", ""))

    def handle_data(self, text: str) -> None:
        self.text += text

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._put(self.name, self.text.removeprefix("\n"))
        if tag in ("select", "textarea"):
            self.name = ""
        elif tag == "form":
            self.inside = False

    def _put(self, name: str, value: str | None) -> None:
        """Remembers the name also when nothing is chosen for it."""
        held = self.forms[-1].values.setdefault(name, [])
        if value is not None:
            held.append(value)

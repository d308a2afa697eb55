"""What a browser calls itself, in words that its owner knows. Pure."""

from django.utils.translation import gettext as _

# in this order: each of them also claims to be some of those below
BROWSERS = {
    "YaBrowser/": "Yandex Browser",
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}
LONGEST = 60


def name(user_agent: str) -> str:
    """As in "Firefox on Linux"; of one that nobody knows, what it says of itself."""
    browser = next((known for mark, known in BROWSERS.items() if mark in user_agent), None)
    system = next((known for mark, known in SYSTEMS.items() if mark in user_agent), None)
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or user_agent.strip()[:LONGEST] or _("Unknown device")

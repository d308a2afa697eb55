"""API keys: who gets in, and who does not."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import keys
from accounts.journal import SERVICE
from accounts.models import ApiKey
from accounts.roles import Role

pytestmark = pytest.mark.django_db


def test_a_key_lets_in_with_its_role() -> None:
    key, text = keys.create(SERVICE, "billing", Role.OPERATOR)

    found = keys.find(text)

    assert found == key
    assert (key.name, key.role) == ("billing", Role.OPERATOR)


def test_only_the_hash_of_a_key_is_stored() -> None:
    _, text = keys.create(SERVICE, "billing", Role.VIEWER)

    secret = text.split("_", 2)[2]
    assert secret not in str(ApiKey.objects.values().get())
    assert len(secret) >= 40


def test_two_keys_have_nothing_in_common() -> None:
    texts = {keys.create(SERVICE, "same", Role.VIEWER)[1] for _ in range(5)}
    others = {keys.find(text) for text in texts}

    assert len(texts) == len(others) == 5


@pytest.mark.parametrize("role", Role)
def test_a_key_past_its_time_lets_nobody_in(role: Role) -> None:
    now = timezone.now()
    old, expired = keys.create(SERVICE, "old", role, expires_at=now + timedelta(hours=1))
    _, good = keys.create(SERVICE, "new", role, expires_at=now + timedelta(hours=1))
    ApiKey.objects.filter(pk=old.pk).update(expires_at=now - timedelta(seconds=1))

    assert keys.find(expired) is None
    assert keys.find(good) is not None


def test_a_revoked_key_lets_nobody_in() -> None:
    key, text = keys.create(SERVICE, "billing", Role.VIEWER)
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now())

    assert keys.find(text) is None


def test_the_secret_must_be_whole_and_belong_to_the_prefix() -> None:
    _, first = keys.create(SERVICE, "first", Role.VIEWER)
    _, second = keys.create(SERVICE, "second", Role.VIEWER)
    _, prefix, secret = first.split("_", 2)
    other = second.split("_", 2)[2]

    for text in (f"vk_{prefix}_{other}", f"vk_{prefix}_{secret[:-1]}", f"vk_{prefix}_{secret}x", f"vk_{prefix}_"):
        assert keys.find(text) is None


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "_",
        "__",
        "vk",
        "vk__",
        "vk_0123456789_",
        "vk_0123456789_" + "a" * 43,
        "VK_0123456789_" + "a" * 43,
        "xx_0123456789_" + "a" * 43,
        "vk_01234\x0056789_" + "a" * 43,
        "vk_\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00_" + "a" * 43,
        "vk_٠١٢٣٤٥٦٧٨٩_" + "a" * 43,
        "vk_0123456789_\ud800" + "a" * 43,
        "vk_\ud800123456789_" + "a" * 43,
        "vk_0123456789_" + "a" * 100_000,
        "vk_" + "0" * 100_000,
        "\n".join(["vk_0123456789_" + "a" * 43] * 2),
    ],
    ids=lambda text: ascii(text[:30]),
)
def test_garbage_lets_nobody_in_and_breaks_nothing(garbage: str) -> None:
    keys.create(SERVICE, "billing", Role.VIEWER)

    assert keys.find(garbage) is None


def test_a_right_prefix_with_odd_letters_for_a_secret_breaks_nothing() -> None:
    _, text = keys.create(SERVICE, "billing", Role.VIEWER)
    prefix = text.split("_")[1]

    for secret in ("\ud800" * 30, "\x00" * 30, "ё" * 30):
        assert keys.find(f"vk_{prefix}_{secret}") is None


def test_its_use_is_noted_at_most_once_a_minute() -> None:
    key, text = keys.create(SERVICE, "billing", Role.VIEWER)
    assert key.last_used_at is None

    keys.find(text)
    first = ApiKey.objects.get().last_used_at
    keys.find(text)
    assert first is not None
    assert ApiKey.objects.get().last_used_at == first

    ApiKey.objects.update(last_used_at=first - timedelta(minutes=2))
    keys.find(text)
    assert (ApiKey.objects.get().last_used_at or first) >= first


def test_a_wrong_secret_is_no_use() -> None:
    _, text = keys.create(SERVICE, "billing", Role.VIEWER)

    keys.find(text[:-5] + "AAAAA")

    assert ApiKey.objects.get().last_used_at is None

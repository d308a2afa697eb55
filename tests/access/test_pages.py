"""What a guarded page does besides asking for a role."""

import pytest
from django.http import Http404, HttpRequest, HttpResponse
from django.test import RequestFactory

from accounts.journal import SERVICE
from accounts.models import User
from accounts.roles import Role
from clients import operations
from dashboard import access

pytestmark = pytest.mark.once


def test_what_somebody_else_deleted_a_moment_ago_is_no_page(db: None) -> None:
    @access.page()
    def late(request: HttpRequest) -> HttpResponse:
        operations.delete(SERVICE, client_id=0)
        return HttpResponse()

    request = RequestFactory().get("/")
    request.user = User(role=Role.VIEWER)

    with pytest.raises(Http404):
        late(request)

"""What the floors above may want to know of the directory. Sent inside the transaction of the deed."""

from django.dispatch import Signal

# client_ids: list[int], reason: "deleted" | "opted_out". They must not be written to any more; a deleted
# client's row is still there when this is sent and gone right after.
stopped = Signal()

# client_ids: list[int]. Their time zone is another now.
moved = Signal()

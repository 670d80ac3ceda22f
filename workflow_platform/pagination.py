from rest_framework.pagination import CursorPagination


class NewestFirst(CursorPagination):
    """Lists are read from the newest on; ids are UUIDv7, so their order is that of age."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200

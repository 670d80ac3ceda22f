from django.urls import path

from events import pages

urlpatterns = [path("events/", pages.explorer, name="events")]

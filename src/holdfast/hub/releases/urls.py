"""Addresses of the release pages."""

from django.urls import path

from holdfast.hub.releases import views

app_name = "releases"
urlpatterns = [
    path("", views.releases, name="list"),
    path("keys/", views.keys, name="keys"),
    path("<int:number>/", views.release, name="release"),
    path("<int:number>/offer/", views.offer, name="offer"),
    path("<int:number>/withdraw/", views.withdraw, name="withdraw"),
]

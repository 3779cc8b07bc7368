"""Addresses of the staff pages about devices."""

from django.urls import path

from holdfast.hub.fleet import views

app_name = "fleet"
urlpatterns = [
    path("devices/", views.devices, name="devices"),
    path("devices/register/", views.register, name="register"),
    path("devices/<int:number>/", views.device, name="device"),
    path("devices/<int:number>/offer/", views.offer, name="offer"),
    path("devices/<int:number>/token/", views.new_token, name="new-token"),
    path("devices/<int:number>/retire/", views.retire, name="retire"),
    path("offers/<int:number>/cancel/", views.cancel, name="cancel"),
]

"""Addresses of the pages behind the links in mails, and of the staff's page about mails."""

from django.urls import path

from holdfast.hub.owners import views

app_name = "owners"
urlpatterns = [
    # Short, because they stand in mails.
    path("o/c/<str:token>", views.confirm, name="confirm"),
    path("o/u/<str:token>", views.unsubscribe, name="unsubscribe"),
    path("mails/", views.mails, name="mails"),
]

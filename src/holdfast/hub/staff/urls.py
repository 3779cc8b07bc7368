"""Addresses of the staff pages."""

from django.urls import path

from holdfast.hub.staff import views

app_name = "staff"
urlpatterns = [
    path("", views.home, name="home"),
    path("login/", views.login, name="login"),
    path("logout/", views.logout, name="logout"),
    path("setup/<str:token>", views.setup, name="setup"),
    path("account/", views.account, name="account"),
    path("trail/", views.trail, name="trail"),
    path("tokens/", views.tokens, name="tokens"),
    path("tokens/<int:number>/revoke/", views.revoke, name="revoke"),
]

"""Addresses of the API with which releases are published."""

from django.urls import path

from holdfast.hub.releases import api

app_name = "api"
urlpatterns = [
    path("uploads/<str:sha256>", api.upload, name="upload"),
    path("releases", api.publish, name="publish"),
    path("releases/<int:number>/judgement", api.judgement, name="judgement"),
    path("repository", api.lists, name="lists"),
    path("online-keys", api.online_keys, name="online-keys"),
]

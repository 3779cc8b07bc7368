"""Addresses of the release pages."""

from django.urls import path

from holdfast.hub.releases import views

app_name = "releases"
urlpatterns = [
    path("", views.releases, name="list"),
    path("keys/", views.keys, name="keys"),
    path("<int:number>/", views.release, name="release"),
    path("<int:number>/offer/", views.offer, name="offer"),
    path("<int:number>/audit/", views.report, name="report"),
    path("<int:number>/audit.json", views.report_file, name="report-file"),
    path("<int:number>/sbom.json", views.sbom_file, name="sbom-file"),
    path("<int:number>/audit/again/", views.audit_again, name="audit-again"),
    path("<int:number>/waive/", views.waive, name="waive"),
    path("<int:number>/withdraw/", views.withdraw, name="withdraw"),
]

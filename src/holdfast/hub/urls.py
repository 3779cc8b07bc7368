"""Every address of the hub."""

from django.urls import include, path

urlpatterns = [
    path("", include("holdfast.hub.staff.urls")),
    path("products/", include("holdfast.hub.products.urls")),
    path("releases/", include("holdfast.hub.releases.urls")),
    path("api/", include("holdfast.hub.releases.api_urls")),
    path("", include("holdfast.hub.fleet.urls")),
    path("", include("holdfast.hub.owners.urls")),
]

handler400 = "holdfast.hub.middleware.bad_request"
handler403 = "holdfast.hub.middleware.not_allowed"
handler404 = "holdfast.hub.middleware.not_found"
handler500 = "holdfast.hub.middleware.failed"

"""Addresses of the product pages."""

from django.urls import path

from holdfast.hub.products import views

app_name = "products"
urlpatterns = [
    path("", views.products, name="list"),
    # No product can be called so.
    path("+add/", views.add, name="add"),
    path("<slug:product_id>/", views.product, name="product"),
]

"""Pages about products: read, call, answer."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from holdfast.hub.products import queries, services
from holdfast.hub.products.forms import ProfileForm
from holdfast.hub.staff import overview
from holdfast.hub.staff.views import actor


@require_safe
def products(request: HttpRequest) -> HttpResponse:
    """List the products."""
    return render(request, "products/list.html", {"products": queries.products()})


@require_safe
def product(request: HttpRequest, product_id: str) -> HttpResponse:
    """Show one product and its profile."""
    found = get_object_or_404(queries.products(), pk=product_id)
    view = overview.product(found)
    shown = {"product": found, "profile": queries.profile_of(found), "view": view}
    return render(request, "products/product.html", shown)


@require_http_methods(["GET", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    """Show the page for adding a product, and add it when a profile comes back."""
    form = ProfileForm(request.POST or None, request.FILES or None)
    if not form.is_valid():
        status = 422 if form.is_bound else 200
        return render(request, "products/add.html", {"form": form}, status=status)
    made = services.take_profile(form.cleaned_data["profile"], by=actor(request))
    messages.success(request, _("The profile of %(name)s is here.") % {"name": made.name})
    return redirect("products:product", product_id=made.id)

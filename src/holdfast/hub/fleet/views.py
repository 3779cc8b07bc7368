"""Staff pages about devices: read, call, answer."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from holdfast.hub.fleet import queries, services
from holdfast.hub.fleet.forms import FilterForm, HistoryForm, OfferForm, RegisterForm
from holdfast.hub.fleet.models import Device, Offer
from holdfast.hub.staff.views import actor


@require_GET
def devices(request: HttpRequest) -> HttpResponse:
    """List the devices, a page at a time."""
    form = FilterForm(request.GET)
    status = 200 if form.is_valid() else 422
    chosen = form.chosen()
    shown = {"form": form, "page": queries.devices(**chosen), "chosen": chosen}
    return render(request, "fleet/devices.html", shown, status=status)


@require_http_methods(["GET", "POST"])
def register(request: HttpRequest) -> HttpResponse:
    """Show the form, and register the device when it comes back; its token is shown once."""
    form = RegisterForm(request.POST or None)
    if form.is_valid():
        token = services.register_device(**form.cleaned_data, by=actor(request))
        device = queries.device_named(form.cleaned_data["controller_id"])
        return render(request, "fleet/token.html", {"device": device, "token": token}, status=201)
    status = 422 if form.is_bound else 200
    return render(request, "fleet/register.html", {"form": form}, status=status)


@require_GET
def device(request: HttpRequest, number: int) -> HttpResponse:
    """Show one device: why it does not update, and its history in words."""
    found = get_object_or_404(Device.objects.select_related("product"), pk=number)
    older = HistoryForm(request.GET)
    before = older.cleaned_data["before"] if older.is_valid() else None
    shown = queries.facts_of(found, before=before) | {"form": OfferForm(found)}
    return render(request, "fleet/device.html", shown)


@require_POST
def offer(request: HttpRequest, number: int) -> HttpResponse:
    """Offer a release to one device; only one that fits can be chosen."""
    found = get_object_or_404(Device, pk=number)
    form = OfferForm(found, request.POST)
    if form.is_valid():
        services.offer(form.cleaned_data["release"], devices=[found], by=actor(request))
        messages.success(request, _("The release is offered."))
    else:
        messages.error(request, _("That release does not fit this device."))
    return redirect("fleet:device", number)


@require_POST
def cancel(request: HttpRequest, number: int) -> HttpResponse:
    """Take back the offer with this number."""
    found = get_object_or_404(Offer, pk=number)
    services.cancel(found, by=actor(request))
    messages.success(request, _("The offer is cancelled."))
    return redirect("fleet:device", found.device_id)


@require_POST
def new_token(request: HttpRequest, number: int) -> HttpResponse:
    """Make a new token for a device and show it once."""
    found = get_object_or_404(Device, pk=number)
    token = services.new_token(found, by=actor(request))
    return render(request, "fleet/token.html", {"device": found, "token": token}, status=201)


@require_POST
def retire(request: HttpRequest, number: int) -> HttpResponse:
    """Let a device in no more."""
    found = get_object_or_404(Device, pk=number)
    services.retire(found, by=actor(request))
    messages.success(request, _("The device is retired."))
    return redirect("fleet:device", number)

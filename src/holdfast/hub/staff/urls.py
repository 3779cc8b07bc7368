"""Addresses of the staff pages."""

from django.urls import path

from holdfast.hub.staff import account_views, login_views, people_views, views

app_name = "staff"
urlpatterns = [
    path("", views.home, name="home"),
    path("login/", login_views.login, name="login"),
    path("login/second/", login_views.second, name="second"),
    path("login/second/passkey/", login_views.second_passkey, name="second-passkey"),
    path("login/passkey/", login_views.passkey, name="passkey"),
    path("login/with/<str:name>/", login_views.openid, name="openid"),
    path("login/with/<str:name>/callback/", login_views.openid_callback, name="openid-callback"),
    path("logout/", login_views.logout, name="logout"),
    path("setup/<str:token>", login_views.setup, name="setup"),
    path("confirm/", login_views.confirm, name="confirm"),
    path("confirm/passkey/", login_views.confirm_passkey, name="confirm-passkey"),
    path("confirm/provider/", login_views.confirm_openid, name="confirm-openid"),
    path("account/", account_views.account, name="account"),
    path("account/password/", account_views.password, name="password"),
    path("account/email/", account_views.email, name="email"),
    path("account/sessions/end/", account_views.end_sessions, name="end-sessions"),
    path("account/app/", account_views.app, name="app"),
    path("account/passkey/", account_views.add_passkey, name="add-passkey"),
    path("account/codes/", account_views.new_codes, name="new-codes"),
    path("account/factors/<int:number>/remove/", account_views.remove_factor, name="remove-factor"),
    path("accounts/", people_views.accounts, name="accounts"),
    path("accounts/invite/", people_views.invite, name="invite"),
    path("accounts/<int:number>/", people_views.change, name="change-account"),
    path("central-login/", people_views.central_login, name="central"),
    path("central-login/<str:name>/", people_views.try_server, name="try-server"),
    path("trail/", views.trail, name="trail"),
    path("tokens/", views.tokens, name="tokens"),
    path("tokens/<int:number>/revoke/", views.revoke, name="revoke"),
]

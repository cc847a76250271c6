"""One module a resource: what each path of the API does. The table of paths is in admin_api.api.routes."""

"""The demo: pictures of invented products rendered by code, and the driver that shows the stack on them."""

"""The dashboard as a page: what `heroq web` serves, and an ASGI app to mount in another one.

>>> import heroq.web
>>> dashboard = heroq.web.app("redis://localhost")   # starlette.routing.Mount("/jobs", dashboard)
"""

from .site import app

__all__ = ["app"]

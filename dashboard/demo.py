"""The logins that the sign-in page offers on a demo installation."""

from laddvakt.demo import DEMO_LOGINS, DemoLogin

__all__ = ["DEMO_LOGINS", "DemoLogin"]

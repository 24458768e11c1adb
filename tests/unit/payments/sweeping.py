"""Sweeps with a provider of the test, and attempts for them."""

from __future__ import annotations

from sqlalchemy.engine import Engine

from services.domain.model import Payment
from services.domain.payments import begin_payment
from services.payments.sweep import Sweep
from services.settings import PaymentSettings
from tests.support.payments import ScriptedProvider, attempts, order_of


def sweep_of(engine: Engine, provider: ScriptedProvider, **more: float) -> Sweep:
    """With quick settings, and ``more`` of them."""
    return Sweep(engine, provider, PaymentSettings.model_validate({"payment_timeout": 0.1, **more}))


def begun(engine: Engine, seconds: float = 0, name: str = "scripted") -> Payment:
    """An attempt whose provider was to be asked, and nobody knows whether it was."""
    return begin_payment(engine, order_of(engine).id, "CARD", name, seconds)


def only(engine: Engine, order_id: str) -> Payment:
    """The one attempt to pay the order."""
    (attempt,) = attempts(engine, order_id)
    return attempt

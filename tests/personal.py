"""What the tests give as a person's own, in one place, so that it is recognised where it must
not be. E-mails are recognised by their form: fixtures make up as many as they like."""

from __future__ import annotations

CUSTOMER_NAME, MECHANIC_NAME = "A Customer", "A Mechanic"
PHONE = "555 0123"
ADDRESS = "1 Any Street, Any Town"

PASSWORD = "correct horse battery"
NEW_PASSWORD = "a much longer password"
CHOSEN_PASSWORD = "a long enough password"
WRONG_PASSWORD = "not the password"

NAMES = (CUSTOMER_NAME, MECHANIC_NAME, "A Person")
PASSWORDS = (PASSWORD, NEW_PASSWORD, CHOSEN_PASSWORD, WRONG_PASSWORD)

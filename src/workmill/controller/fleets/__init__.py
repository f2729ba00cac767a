"""The fleets that the controller can command; `controller.fleet` is their contract."""

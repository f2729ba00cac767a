"""The balancers that the controller can speak to; `controller.balancer` is their contract."""

"""The parts of the server: who may ask, how much, what is logged and counted, and the routes. Everything here but `submission`
needs the extra "server"; `cloud.app` imports it when an app is made."""

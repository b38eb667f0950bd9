"""The motion path: from targets of the pusher's tip to joint commands that are safe to send."""

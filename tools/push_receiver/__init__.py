"""Servers that receive what a push host sends: a Web Push service with its device, a bot, and APNs' and FCM's part.

    PYTHONPATH=tools python -m push_receiver web-push --folder /tmp/receiver

Each is a process of its own, keeps to the standard or the vendor's published pages, checks what it is sent with
other people's libraries, and misbehaves on demand (`plan`).
"""

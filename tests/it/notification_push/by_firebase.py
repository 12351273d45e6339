"""Google's own library: `messages SEED COUNT` prints messages as it writes them; `errors URL NAME…` sends to a server and prints what it makes of
the refusals.
"""

import datetime
import json
import random
import sys
import warnings

import requests
import firebase_admin
import google.auth.credentials
from firebase_admin import messaging

warnings.simplefilter("ignore")


def messages(seed, count):
    chance = random.Random(int(seed))
    maybe = lambda make: make() if chance.random() < 0.5 else None
    word = lambda: "".join(chance.choice("abc xyzÄß€😀\"\\&") for _ in range(chance.randint(1, 8)))
    words = lambda: [word() for _ in range(chance.randint(1, 3))]
    texts = lambda: {f"k{n}": word() for n in range(chance.randint(1, 3))}
    flag = lambda: chance.random() < 0.5
    label = lambda: "label-1"
    url = lambda: "https://example.com/a.png"
    color = lambda: "#%06x" % chance.randrange(1 << 24)

    def android_notification():
        return messaging.AndroidNotification(
            title=maybe(word), body=maybe(word), icon=maybe(word), color=maybe(color), sound=maybe(word), tag=maybe(word),
            click_action=maybe(word), body_loc_key="b", body_loc_args=maybe(words), title_loc_key="t", title_loc_args=maybe(words),
            channel_id=maybe(word), image=maybe(url), ticker=maybe(word), sticky=maybe(flag),
            event_timestamp=maybe(lambda: datetime.datetime(2026, 11, 22, 1, 2, 3, tzinfo=datetime.timezone.utc)), local_only=maybe(flag),
            priority=maybe(lambda: chance.choice(["default", "min", "low", "high", "max"])),
            vibrate_timings_millis=maybe(lambda: [100, 1500]), default_vibrate_timings=maybe(flag), default_sound=maybe(flag),
            light_settings=maybe(lambda: messaging.LightSettings(color(), 500, 1000)), default_light_settings=maybe(flag),
            visibility=maybe(lambda: chance.choice(["private", "public", "secret"])), notification_count=maybe(lambda: chance.randint(1, 99)),
            proxy=maybe(lambda: chance.choice(["allow", "deny", "if_priority_lowered"])),
        )

    def android():
        return messaging.AndroidConfig(
            collapse_key=maybe(word), priority=maybe(lambda: chance.choice(["high", "normal"])), ttl=maybe(lambda: chance.choice([3600, 0.5])),
            restricted_package_name=maybe(word), data=maybe(texts), notification=maybe(android_notification),
            fcm_options=maybe(lambda: messaging.AndroidFCMOptions(label())), direct_boot_ok=maybe(flag),
            bandwidth_constrained_ok=maybe(flag), restricted_satellite_ok=maybe(flag),
        )

    def apns():
        alert = lambda: chance.choice([word(), messaging.ApsAlert(title=word(), body=word(), loc_key="l", loc_args=words())])
        aps = messaging.Aps(alert=maybe(alert), badge=maybe(lambda: 3), sound=maybe(word), content_available=maybe(flag),
                            mutable_content=maybe(flag), category=maybe(word), thread_id=maybe(word))
        return messaging.APNSConfig(
            headers=maybe(lambda: {"apns-priority": "5"}), payload=messaging.APNSPayload(aps, custom_snake_case={"deep_er": [1, None]}),
            fcm_options=maybe(lambda: messaging.APNSFCMOptions(label(), url())), live_activity_token=maybe(word),
        )

    def webpush():
        notification = lambda: messaging.WebpushNotification(
            title=maybe(word), body=maybe(word), icon=maybe(url), actions=maybe(lambda: [messaging.WebpushNotificationAction("a", "b")]),
            renotify=maybe(flag), require_interaction=maybe(flag), tag=maybe(word), vibrate=maybe(lambda: [1, 2]), custom_data={"snake_case": 1})
        return messaging.WebpushConfig(
            headers=maybe(lambda: {"TTL": "15"}), data=maybe(texts), notification=maybe(notification),
            fcm_options=maybe(lambda: messaging.WebpushFCMOptions("https://example.com/")))

    for _ in range(int(count)):
        target = chance.choice([{"token": "t"}, {"fid": "f"}, {"topic": "news"}, {"condition": "'a' in topics"}])
        notification = lambda: messaging.Notification(word(), maybe(word), maybe(url))
        message = messaging.Message(
            data=maybe(texts), notification=maybe(notification), android=maybe(android), apns=maybe(apns), webpush=maybe(webpush),
            fcm_options=maybe(lambda: messaging.FCMOptions(label())), **target)
        print(json.dumps(json.loads(json.dumps(message, cls=messaging._messaging_encoder.MessageEncoder))))


class Known(google.auth.credentials.Credentials):
    """A token that the server takes."""

    def refresh(self, request):
        self.token = "by-firebase"


class Credential(firebase_admin.credentials.Base):
    def get_credential(self):
        return Known()


def errors(url, *names):
    app = firebase_admin.initialize_app(Credential(), {"projectId": "demo"})
    messaging._MessagingService.FCM_URL = url + "/v1/projects/{0}/messages:send"
    service = messaging._get_messaging_service(app)
    # It would try some of them again for half a minute.
    service._client.session.mount("http://", requests.adapters.HTTPAdapter(max_retries=0))
    for name in names:
        try:
            said = messaging.send(messaging.Message(token=name))
        except firebase_admin.exceptions.FirebaseError as error:
            said = type(error).__name__
        print(json.dumps([name, said]))


{"messages": messages, "errors": errors}[sys.argv[1]](*sys.argv[2:])

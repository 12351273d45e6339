//! What is sent: `google.firebase.fcm.v1.Message` and all that is in it.
//!
//! Names are written as the API's discovery document has them (`collapseKey`) and read in the form of its `.proto` too
//! (`collapse_key`), as its guides write them. What the document does not have is refused: FCM would refuse it too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Texts by name.
pub type Texts = BTreeMap<String, String>;

/// The body of a request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SendRequest {
    /// What is sent.
    pub message: Message,
    /// Nothing is delivered; the request is checked.
    #[serde(default, alias = "validate_only", skip_serializing_if = "std::ops::Not::not")]
    pub validate_only: bool,
}

/// Where a message goes: FCM wants exactly one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A device, by its registration token.
    Token(String),
    /// A device, by its Firebase installation.
    Fid(String),
    /// Whoever is subscribed to a topic.
    Topic(String),
    /// Whoever is subscribed to some topics and not to others.
    Condition(String),
}

/// Writes structs whose fields are left out where nothing is said.
macro_rules! said {
    ($(#[$about:meta])* $name:ident { $( $(#[$field_about:meta])* $field:ident: $kind:ty $(, or $alias:literal)? ; )* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[$field_about])*
                #[serde(default, skip_serializing_if = "Option::is_none" $(, alias = $alias)?)]
                pub $field: Option<$kind>,
            )*
        }
    };
}

said! {
    /// A message.
    Message {
        /// The device, by its registration token.
        token: String;
        /// The device, by its Firebase installation.
        fid: String;
        /// Whoever is subscribed to this topic; without the prefix `/topics/`.
        topic: String;
        /// Whoever is subscribed as this says: `'a' in topics && 'b' in topics`.
        condition: String;
        /// What the app gets. Not `from`, `message_type`, or what begins with `google.` or `gcm.notification.`.
        data: Texts;
        /// What is shown.
        notification: Notification;
        /// What is particular to Android.
        android: AndroidConfig;
        /// The same in its second version; not both.
        android_v2: AndroidConfigV2, or "android_v2";
        /// What is particular to Apple's devices.
        apns: ApnsConfig;
        /// What is particular to browsers.
        webpush: WebpushConfig;
        /// What all of FCM's libraries take.
        fcm_options: FcmOptions, or "fcm_options";
    }
}

said! {
    /// What is shown.
    Notification {
        /// Its title.
        title: String;
        /// Its text.
        body: String;
        /// The URL of a picture.
        image: String;
    }
}

said! {
    /// What is particular to Android.
    AndroidConfig {
        /// Of messages with the same key only the last is delivered later; a device has at most four at a time.
        collapse_key: String, or "collapse_key";
        /// How soon.
        priority: Priority;
        /// For how long FCM keeps it: `3.5s`, at most four weeks.
        ttl: String;
        /// Only to this app.
        restricted_package_name: String, or "restricted_package_name";
        /// In the place of the message's own.
        data: Texts;
        /// What is shown on Android.
        notification: AndroidNotification;
        /// What FCM's library for Android takes.
        fcm_options: AnalyticsOptions, or "fcm_options";
        /// Also to a device that was not unlocked since it started.
        direct_boot_ok: bool, or "direct_boot_ok";
        /// Also to a device whose network is narrow.
        bandwidth_constrained_ok: bool, or "bandwidth_constrained_ok";
        /// Also to a device that has only a satellite.
        restricted_satellite_ok: bool, or "restricted_satellite_ok";
    }
}

said! {
    /// What is particular to Android, in its second version.
    AndroidConfigV2 {
        /// Of messages with the same key only the last is delivered later.
        collapse_key: String, or "collapse_key";
        /// For how long FCM keeps it.
        ttl: String;
        /// Only to this app.
        restricted_package_name: String, or "restricted_package_name";
        /// In the place of the message's own.
        data: Texts;
        /// What FCM's library for Android takes.
        fcm_options: AnalyticsOptions, or "fcm_options";
        /// Also to a device that was not unlocked since it started.
        direct_boot_ok: bool, or "direct_boot_ok";
        /// Also to a device whose network is narrow.
        bandwidth_constrained_ok: bool, or "bandwidth_constrained_ok";
        /// Also to a device that has only a satellite.
        restricted_satellite_ok: bool, or "restricted_satellite_ok";
        /// Something to be shown, at once.
        remote_notification: AndroidRemoteNotification, or "remote_notification";
        /// Something to be fetched, when it suits the device.
        background_sync: AndroidBackgroundSyncMessage, or "background_sync";
    }
}

said! {
    /// Something to be shown on Android.
    AndroidRemoteNotification {
        /// The app may change it before it is shown.
        mutable_content: bool, or "mutable_content";
        /// What is shown.
        notification: AndroidNotificationV2;
        /// Old apps get it as data.
        use_as_v1_data_message: bool, or "use_as_v1_data_message";
    }
}

said! {
    /// Something to be fetched on Android.
    AndroidBackgroundSyncMessage {}
}

/// Writes a notification for Android, whose versions differ in little.
macro_rules! android_notification {
    ($(#[$about:meta])* $name:ident { $($own:tt)* }) => {
        said! {
            $(#[$about])*
            $name {
                $($own)*
                        /// Its title, in the place of the message's.
                title: String;
                /// Its text, in the place of the message's.
                body: String;
                /// The picture beside it.
                icon: String;
                /// Its colour, as `#rrggbb`.
                color: String;
                /// What is heard.
                sound: String;
                /// A notification with the same tag is replaced by it.
                tag: String;
                /// What a tap does.
                click_action: String, or "click_action";
                /// The name of the text in the app.
                body_loc_key: String, or "body_loc_key";
                /// What is filled into that text.
                body_loc_args: Vec<String>, or "body_loc_args";
                /// The name of the title in the app.
                title_loc_key: String, or "title_loc_key";
                /// What is filled into that title.
                title_loc_args: Vec<String>, or "title_loc_args";
                /// The app's channel.
                channel_id: String, or "channel_id";
                /// What is read aloud.
                ticker: String;
                /// It stays when it is tapped.
                sticky: bool;
                /// When what it is about happened, as RFC 3339 has it.
                event_time: String, or "event_time";
                /// Only on this device, not on a watch beside it.
                local_only: bool, or "local_only";
                /// How it stands among others.
                notification_priority: NotificationPriority, or "notification_priority";
                /// The device's own sound.
                default_sound: bool, or "default_sound";
                /// The device's own vibration.
                default_vibrate_timings: bool, or "default_vibrate_timings";
                /// The device's own light.
                default_light_settings: bool, or "default_light_settings";
                /// Pauses and vibrations in turn: `["0s", "1s"]`.
                vibrate_timings: Vec<String>, or "vibrate_timings";
                /// Who may see it on a locked device.
                visibility: Visibility;
                /// How many things it stands for.
                notification_count: i32, or "notification_count";
                /// The light.
                light_settings: LightSettings, or "light_settings";
                /// The URL of a picture, in the place of the message's.
                image: String;
            }
        }
    };
}

android_notification! {
    /// What is shown on Android.
    AndroidNotification {
        /// The same as a proxy of [`Proxy::Allow`]; no longer used.
        bypass_proxy_notification: bool, or "bypass_proxy_notification";
        /// Whether Google's library may show it for the app.
        proxy: Proxy;
    }
}

android_notification! {
    /// What is shown on Android, in its second version.
    AndroidNotificationV2 {
        /// A notification with the same tag and id is replaced by it.
        id: i32;
    }
}

said! {
    /// A light.
    LightSettings {
        /// Its colour.
        color: Color;
        /// For how long it is on.
        light_on_duration: String, or "light_on_duration";
        /// For how long it is off in between.
        light_off_duration: String, or "light_off_duration";
    }
}

said! {
    /// A colour; each part from 0 to 1.
    Color {
        /// Red.
        red: f32;
        /// Green.
        green: f32;
        /// Blue.
        blue: f32;
        /// How little is seen through it.
        alpha: f32;
    }
}

said! {
    /// What is particular to Apple's devices.
    ApnsConfig {
        /// Headers of APNs.
        headers: Texts;
        /// The payload of APNs: `aps`, and what is the app's own.
        payload: Map<String, Value>;
        /// What FCM's library for Apple's devices takes.
        fcm_options: ApnsFcmOptions, or "fcm_options";
        /// The token of a live activity.
        live_activity_token: String, or "live_activity_token";
    }
}

said! {
    /// What FCM's library for Apple's devices takes.
    ApnsFcmOptions {
        /// A label in the statistics.
        analytics_label: String, or "analytics_label";
        /// The URL of a picture, in the place of the message's.
        image: String;
    }
}

said! {
    /// What is particular to browsers.
    WebpushConfig {
        /// Headers of the Web Push protocol (RFC 8030): `"TTL": "15"`.
        headers: Texts;
        /// In the place of the message's own.
        data: Texts;
        /// What is shown, as the Web Notification API has it.
        notification: Map<String, Value>;
        /// What FCM's library for browsers takes.
        fcm_options: WebpushFcmOptions, or "fcm_options";
    }
}

said! {
    /// What FCM's library for browsers takes.
    WebpushFcmOptions {
        /// Where a click leads; https.
        link: String;
        /// A label in the statistics.
        analytics_label: String, or "analytics_label";
    }
}

said! {
    /// What all of FCM's libraries take.
    FcmOptions {
        /// A label in the statistics.
        analytics_label: String, or "analytics_label";
    }
}

/// What FCM's library for Android takes.
pub type AnalyticsOptions = FcmOptions;

/// How soon a message reaches an Android device. Read in lower case too, as FCM does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Priority {
    /// When the device is awake.
    #[serde(alias = "normal")]
    Normal,
    /// At once.
    #[serde(alias = "high")]
    High,
}

/// How a notification stands among others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the names say it")]
pub enum NotificationPriority {
    PriorityUnspecified,
    PriorityMin,
    PriorityLow,
    PriorityDefault,
    PriorityHigh,
    PriorityMax,
}

/// Who may see a notification on a locked device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Visibility {
    VisibilityUnspecified,
    Private,
    Public,
    Secret,
}

/// Whether Google's library may show a notification for the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Proxy {
    ProxyUnspecified,
    Allow,
    Deny,
    IfPriorityLowered,
}

impl Message {
    /// To one target.
    pub fn to(target: Target) -> Self {
        let message = Self::default();
        match target {
            Target::Token(token) => Self { token: Some(token), ..message },
            Target::Fid(fid) => Self { fid: Some(fid), ..message },
            Target::Topic(topic) => Self { topic: Some(topic), ..message },
            Target::Condition(condition) => Self { condition: Some(condition), ..message },
        }
    }

    /// To a device.
    pub fn to_token(token: impl Into<String>) -> Self {
        Self::to(Target::Token(token.into()))
    }

    /// To whoever is subscribed to a topic.
    pub fn to_topic(topic: impl Into<String>) -> Self {
        Self::to(Target::Topic(topic.into()))
    }

    /// The same with something to show.
    #[must_use]
    pub fn with_notification(self, title: impl Into<String>, body: impl Into<String>) -> Self {
        let notification = Notification { title: Some(title.into()), body: Some(body.into()), image: None };
        Self { notification: Some(notification), ..self }
    }
}

//! Lays bundles over each other: which file comes from where.
//!
//! A feature may write a file that is there already only where the template has declared it as an extension point (then the
//! parts follow each other in the order of the bundles), or where its own manifest says that it overrides it.

use std::collections::BTreeMap;

use super::error::BuildError;
use crate::bundle::{FILE_BYTES_MAX, Manifest};

/// A file of the app: the parts that make it, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Laid {
    /// Where each part comes from: the place of a bundle, and of the file in it.
    pub parts: Vec<(usize, usize)>,
}

/// The most bytes of what bundles bring to an app.
pub const APP_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// How large an app is so far.
#[derive(Default)]
pub struct Sizes {
    all: u64,
    by_path: BTreeMap<String, u64>,
}

impl Sizes {
    /// Counts another part of the file at `path`.
    pub fn add(&mut self, path: &str, bytes: u64) -> Result<(), BuildError> {
        let large = |message| Err(BuildError::inputs("app_too_large", message));
        self.all = self.all.saturating_add(bytes);
        if self.all > APP_BYTES_MAX {
            return large(format!("with {path} the bundles' files have more than the {APP_BYTES_MAX} bytes allowed of an app"));
        }
        let file = self.by_path.entry(path.to_owned()).or_default();
        *file = file.saturating_add(bytes);
        if *file > FILE_BYTES_MAX {
            return large(format!("all parts of {path} together have more than the {FILE_BYTES_MAX} bytes allowed of a file"));
        }
        Ok(())
    }
}

/// The app's files by path. `bundles` has the template first; none of them may bring what is `reserved`.
pub fn overlay(bundles: &[Manifest], reserved: &[&str]) -> Result<BTreeMap<String, Laid>, BuildError> {
    let extension_points = bundles.first().map(|template| template.extension_points.as_slice()).unwrap_or_default();
    let mut files: BTreeMap<String, Laid> = BTreeMap::new();
    for (place, bundle) in bundles.iter().enumerate() {
        for (number, file) in bundle.files.iter().enumerate() {
            let laid = files.entry(file.path.clone()).or_insert_with(|| Laid { parts: Vec::new() });
            match laid.parts.last() {
                Some((before, _)) if *before == place => return Err(conflict(&file.path, bundle, bundle)),
                Some(_) if extension_points.contains(&file.path) => {}
                Some((before, _)) if !bundle.overrides.contains(&file.path) => {
                    return Err(conflict(&file.path, &bundles[*before], bundle));
                }
                _ => laid.parts.clear(),
            }
            laid.parts.push((place, number));
        }
    }
    check_folders(&files, bundles)?;
    check_parts(&files, bundles, reserved)?;
    Ok(files)
}

fn conflict(path: &str, first: &Manifest, second: &Manifest) -> BuildError {
    let message =
        format!("{first} and {second} both write {path}, which is no extension point of the template, nor does {second} override it");
    BuildError::inputs("file_conflict", message)
}

/// Before anything is opened: what is laid is within limits, and nothing of the build's own.
fn check_parts(files: &BTreeMap<String, Laid>, bundles: &[Manifest], reserved: &[&str]) -> Result<(), BuildError> {
    let mut sizes = Sizes::default();
    for (path, laid) in files {
        if let Some((own, _)) = laid.parts.last().filter(|_| reserved.contains(&path.as_str())) {
            let message = format!("{path} of {} is written by the build itself, so no bundle may bring it", bundles[*own]);
            return Err(BuildError::inputs("file_conflict", message));
        }
        for (place, number) in &laid.parts {
            sizes.add(path, bundles[*place].files[*number].bytes)?;
        }
    }
    Ok(())
}

/// A file cannot be a folder of another.
fn check_folders(files: &BTreeMap<String, Laid>, bundles: &[Manifest]) -> Result<(), BuildError> {
    for (path, laid) in files {
        for (at, _) in path.match_indices('/') {
            if let Some(file) = files.get(&path[..at]) {
                let of = |laid: &Laid| laid.parts.first().map(|(place, _)| bundles[*place].to_string()).unwrap_or_default();
                let message = format!("{} of {} would have to be a folder for {path} of {}", &path[..at], of(file), of(laid));
                return Err(BuildError::inputs("file_conflict", message));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(name: &str, files: &[&str], extension_points: &[&str]) -> Manifest {
        overriding(name, files, extension_points, &[])
    }

    fn overriding(name: &str, files: &[&str], extension_points: &[&str], overrides: &[&str]) -> Manifest {
        let files: Vec<_> = files.iter().map(|path| serde_json::json!({ "path": path, "bytes": 0, "sha256": "" })).collect();
        serde_json::from_value(serde_json::json!({
            "name": name, "version": "1.0.0", "role": if name == "app" { "template" } else { "feature" },
            "extension_points": extension_points, "overrides": overrides, "files": files,
        }))
        .expect("a manifest")
    }

    #[test]
    fn a_feature_replaces_and_extends_what_the_template_has() {
        let bundles = [
            bundle("app", &["index.html", "ext.js"], &["ext.js"]),
            bundle("a", &["ext.js", "a.css"], &[]),
            overriding("b", &["index.html", "ext.js"], &[], &["index.html"]),
        ];
        let files = overlay(&bundles, &[]).expect("it goes together");
        let parts: Vec<_> = files.iter().map(|(path, laid)| (path.as_str(), laid.parts.as_slice())).collect();
        let expected: [(&str, &[(usize, usize)]); 3] =
            [("a.css", &[(1, 1)]), ("ext.js", &[(0, 1), (1, 0), (2, 1)]), ("index.html", &[(2, 0)])];
        assert_eq!(parts, expected);
    }

    #[test]
    fn two_features_that_write_the_same_file_are_both_named() {
        let cases: [(&[&str], &[&str], &str); 4] = [
            (&["page.html"], &[], "app 1.0.0 and a 1.0.0 both write page.html"),
            (&["x.js"], &["x.js"], "a 1.0.0 and b 1.0.0 both write x.js"),
            (&["x.js", "x.js"], &[], "a 1.0.0 and a 1.0.0 both write x.js"),
            (&["x"], &["x/y"], "x of a 1.0.0 would have to be a folder for x/y of b 1.0.0"),
        ];
        for (first, second, message) in cases {
            let error = overlay(&[bundle("app", &["page.html"], &[]), bundle("a", first, &[]), bundle("b", second, &[])], &[])
                .expect_err("refused");
            assert_eq!(error.code(), "file_conflict");
            assert!(error.to_string().starts_with(message), "{error}");
        }
    }

    #[test]
    fn an_app_has_a_largest_size_and_so_has_a_file_of_many_parts() {
        let sized = |name: &str, files: &[(&str, u64)]| {
            let mut bundle = bundle(name, &files.iter().map(|(path, _)| *path).collect::<Vec<_>>(), &["ext.js"]);
            for (file, (_, bytes)) in bundle.files.iter_mut().zip(files) {
                file.bytes = *bytes;
            }
            bundle
        };
        let half = FILE_BYTES_MAX / 2;
        let parts = [sized("app", &[("ext.js", half)]), sized("a", &[("ext.js", half)]), sized("b", &[("ext.js", 1)])];
        assert!(overlay(&parts[..2], &[]).is_ok());
        let error = overlay(&parts, &[]).expect_err("refused");
        assert_eq!((error.code(), error.to_string().contains("all parts of ext.js")), ("app_too_large", true), "{error}");
        let names: Vec<_> = (0..=APP_BYTES_MAX / FILE_BYTES_MAX).map(|number| format!("f{number:02}")).collect();
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), FILE_BYTES_MAX)).collect();
        assert!(overlay(&[sized("app", &files[1..])], &[]).is_ok());
        let error = overlay(&[sized("app", &files)], &[]).expect_err("refused");
        assert_eq!((error.code(), error.to_string().contains("with f16")), ("app_too_large", true), "{error}");
        assert_eq!(overlay(&parts[..1], &["ext.js"]).expect_err("refused").code(), "file_conflict");
    }
}

//! Lays bundles over each other: which file comes from where.
//!
//! A feature may write a file that is there already only where the template has declared it as an extension point (then the
//! parts follow each other in the order of the bundles), or where its own manifest says that it overrides it.

use std::collections::BTreeMap;

use super::error::BuildError;
use crate::bundle::Manifest;

/// A file of the app: the parts that make it, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Laid {
    /// Where each part comes from: the place of a bundle, and of the file in it.
    pub parts: Vec<(usize, usize)>,
}

/// The app's files by path. `bundles` has the template first.
pub fn overlay(bundles: &[Manifest]) -> Result<BTreeMap<String, Laid>, BuildError> {
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
    Ok(files)
}

fn conflict(path: &str, first: &Manifest, second: &Manifest) -> BuildError {
    let message =
        format!("{first} and {second} both write {path}, which is no extension point of the template, nor does {second} override it");
    BuildError::inputs("file_conflict", message)
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
        let files = overlay(&bundles).expect("it goes together");
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
            let error =
                overlay(&[bundle("app", &["page.html"], &[]), bundle("a", first, &[]), bundle("b", second, &[])]).expect_err("refused");
            assert_eq!(error.code(), "file_conflict");
            assert!(error.to_string().starts_with(message), "{error}");
        }
    }
}

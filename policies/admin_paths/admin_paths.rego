# Admin and internal paths are denied, whoever asks.
#
# `deny` holds when any segment of the path, at any depth, is one of `data.admin_paths.segments`
# (lower case) in any spelling that some server takes for it: other case, path parameters, trailing
# dots or blanks. Doubled and encoded slashes and dot segments change nothing, because every segment
# counts wherever it stands. What is still encoded after decoding, and backslashes, is denied too.
# Without a path or without data everything is denied.
package portcullis.patterns.admin_paths

default deny := false

deny if not clear

clear if {
	forbidden := data.admin_paths.segments
	every segment in input.parsed_path {
		not contains(segment, "%")
		not contains(segment, "\\")
		name := split(lower(segment), ";")
		not trim(name[0], " .") in forbidden
	}
}

package pep

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/ini.v1"
)

// ReadBandersnatch finds the fields of a remote in the configuration of bandersnatch, a program that mirrors pypi.org:
// what its allow and block lists, and its plugins for releases, say as well as our rules can.
func ReadBandersnatch(text []byte) (map[string]any, error) {
	f, err := ini.LoadSources(ini.LoadOptions{AllowPythonMultilineValues: true, SpaceBeforeInlineComment: true, Insensitive: true}, text)
	if err != nil {
		return nil, err
	}
	master := f.Section("mirror").Key("master").String()
	if master == "" {
		return nil, errors.New("it is no configuration of bandersnatch: the section mirror has no master")
	}
	enabled := lines(f, "plugins", "enabled")
	on := func(plugin string) bool { return slices.Contains(enabled, plugin) || slices.Contains(enabled, "all") }
	out := map[string]any{"url": master, "prereleases": !on("prerelease_release")}
	for _, l := range []struct{ field, section, key, plugin string }{
		{"includes", "allowlist", "packages", "allowlist_project"},
		{"excludes", "blocklist", "packages", "blocklist_project"},
		{"exclude_platforms", "blocklist", "platforms", "exclude_platform"},
	} {
		if list := lines(f, l.section, l.key); on(l.plugin) && len(list) > 0 {
			out[l.field] = list
		}
	}
	if keep := f.Section("latest_release").Key("keep").String(); on("latest_release") && keep != "" {
		n, err := strconv.ParseInt(keep, 10, 64)
		if err != nil {
			return nil, errors.New("in the section latest_release, keep is no number")
		}
		out["keep_latest_packages"] = n
	}
	return out, nil
}

// lines are those of a value, without comments.
func lines(f *ini.File, section, key string) (out []string) {
	for line := range strings.Lines(f.Section(section).Key(key).String()) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

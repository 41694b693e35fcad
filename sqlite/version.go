package sqlite

import (
	"fmt"
	"runtime/debug"
)

// modernc.org/sqlite is C translated to Go against one version of modernc.org/libc, named in
// its go.mod. With another one it may corrupt data, and nothing but this check says so: Go's
// version selection takes a newer libc as soon as any dependency of the program asks for it.
// A test keeps the pair in step with this module's go.mod.
const (
	sqliteModule  = "modernc.org/sqlite"
	sqliteVersion = "v1.60.1"
	libcModule    = "modernc.org/libc"
	libcVersion   = "v1.77.1"
)

// linkedModules returns the versions of the modules in this program; none if it was built
// without that information.
func linkedModules() map[string]string {
	versions := map[string]string{}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return versions
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = &debug.Module{Path: m.Path, Version: m.Replace.Version}
		}
		versions[m.Path] = m.Version
	}
	return versions
}

// checkDriver returns a warning if the program links a pair that was not made for each
// other. About a version of the driver that it does not know it says nothing.
func checkDriver(linked map[string]string) string {
	libc := linked[libcModule]
	if linked[sqliteModule] != sqliteVersion || libc == "" || libc == libcVersion {
		return ""
	}
	return fmt.Sprintf("%s %s was made for %s %s, but the program links %s: require %s %s in go.mod",
		sqliteModule, sqliteVersion, libcModule, libcVersion, libc, libcModule, libcVersion)
}

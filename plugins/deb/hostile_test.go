package deb_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
)

func manyFields() string {
	var b strings.Builder
	for i := range 501 {
		fmt.Fprintf(&b, "X-%d: y\n", i)
	}
	return b.String()
}

func TestSyncRefusesReleasesThatAreNotToBeTrusted(t *testing.T) {
	t.Parallel()
	app, _ := newApp(t)
	key, other := newService(t, "up"), newService(t, "other")
	good := newSource(t, key, ".gz").release()
	for name, c := range map[string]struct{ text, want string }{
		"unsigned":         {good, "not signed, but must be by the remote's gpgkey"},
		"wrongly signed":   {signed(t, other, pulp.ClearSignature, good), "gpgkey"},
		"changed":          {strings.Replace(signed(t, key, pulp.ClearSignature, good), "fine", "evil", 1), "gpgkey"},
		"text before":      {"Suite: evil\n" + signed(t, key, pulp.ClearSignature, good), "before"},
		"text after":       {signed(t, key, pulp.ClearSignature, good) + "\nSuite: evil\n", "after"},
		"expired":          {signed(t, key, pulp.ClearSignature, "Valid-Until: "+time.Now().Add(-time.Hour).UTC().Format(time.RFC1123)+"\n"+good), "expired"},
		"without digests":  {signed(t, key, pulp.ClearSignature, "Suite: stable\nMD5Sum:\n"), "SHA256"},
		"not a date":       {signed(t, key, pulp.ClearSignature, "Valid-Until: soon\n"+good), "Valid-Until"},
		"traversal":        {signed(t, key, pulp.ClearSignature, good+" "+strings.Repeat("ab", 32)+" 1 ../../etc/passwd\n"), "path"},
		"components leave": {signed(t, key, pulp.ClearSignature, strings.Replace(good, "main contrib", "../main", 1)), "Components"},
		"giant":            {signed(t, key, pulp.ClearSignature, "X: "+strings.Repeat("x", 17<<20)+"\n"+good), "accepted"},
		"many fields":      {signed(t, key, pulp.ClearSignature, manyFields()+good), "after 500 others"},
		"empty":            {signed(t, key, pulp.ClearSignature, ""), "no field SHA256"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSource(t, key, ".gz")
			s.Put("dists/stable/InRelease", c.text)
			why := s.refuses(t, app, nil)
			require.Contains(t, why, c.want)
			require.Contains(t, why, "dists/stable/")
			require.Less(t, len(why), 1000)
		})
	}
}

func TestSyncRefusesHostileIndexes(t *testing.T) {
	t.Parallel()
	app, _ := newApp(t)
	key, file := newService(t, "up"), build(t, "hello", "1.0", "amd64")
	good := entry(file, helloPath)
	for name, c := range map[string]struct{ text, want string }{
		"traversal":       {entry(file, "../../x.deb"), "Filename"},
		"absolute":        {entry(file, "/etc/x.deb"), "Filename"},
		"in dists":        {entry(file, "dists/stable/Release"), "Filename"},
		"dists":           {entry(file, "dists"), "Filename"},
		"no digest":       {strings.Replace(good, "SHA256:", "SHA255:", 1), "SHA256"},
		"negative size":   {strings.Replace(good, "Size: ", "Size: -", 1), "Size"},
		"name of a path":  {strings.Replace(good, "Package: hello", "Package: ../hello", 1), "Package"},
		"many fields":     {manyFields() + good, "after 500 others"},
		"blank line":      {strings.Replace(good, "Description: d", "Description: d\n \n e", 1), "blanks"},
		"field twice":     {"Package: a\n" + good, "twice"},
		"giant line":      {"X: " + strings.Repeat("x", 2<<20) + "\n" + good, "longer"},
		"giant paragraph": {"X: a\n" + strings.Repeat(" "+strings.Repeat("y", 1000)+"\n", 1100) + good, "longer"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSource(t, key, ".gz")
			s.files["main/binary-amd64/Packages.gz"] = compress(t, ".gz", c.text)
			s.sign(t)
			why := s.refuses(t, app, nil)
			require.Contains(t, why, c.want)
			require.Less(t, len(why), 1000)
		})
	}
}

func TestSyncRefusesAnIndexThatUnpacksToMoreThanReleaseSays(t *testing.T) {
	t.Parallel()
	app, _ := newApp(t)
	s := newSource(t, newService(t, "up"), ".gz")
	s.files["main/binary-amd64/Packages.gz"] = compress(t, ".gz", strings.Repeat("\n", 64<<20))
	s.files["main/binary-amd64/Packages"] = "small"
	s.sign(t)
	require.Contains(t, s.refuses(t, app, nil), "more than the 5 bytes")
}

func TestSyncFiltersMustExist(t *testing.T) {
	t.Parallel()
	app, _ := newApp(t)
	key := newService(t, "up")
	require.Contains(t, newSource(t, key, ".gz").refuses(t, app, object{"components": "main nonfree"}), `"nonfree"`)
	require.Contains(t, newSource(t, key, ".gz").refuses(t, app, object{"architectures": "riscv64"}), `"riscv64"`)
	for field, value := range map[string]string{"distributions": "flat/", "components": "../x", "architectures": "a b/../c", "gpgkey": "no key"} {
		body := object{"name": "r", "url": "http://example.org/", "distributions": "stable"}
		body[field] = value
		require.Contains(t, string(app.Refused(t, 400, "POST", "remotes/deb/apt/", body).Body), field)
	}
}

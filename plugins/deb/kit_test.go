package deb_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/plugins/deb"
	"github.com/gopulp/pulp/pulptest"
	"github.com/gopulp/pulp/signing"
)

type object = pulptest.Object

// newService makes a signing service with a key of its own.
func newService(t testing.TB, name string) pulp.SigningService {
	t.Helper()
	e, err := openpgp.NewEntity(name, "", name+"@example.org", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA})
	require.NoError(t, err)
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.PrivateKeyType, nil)
	require.NoError(t, err)
	require.NoError(t, e.SerializePrivate(w, nil))
	require.NoError(t, w.Close())
	s, err := signing.OpenPGP(name, b.String(), nil)
	require.NoError(t, err)
	return s
}

// signed is a text with a service's signature.
func signed(t testing.TB, s pulp.SigningService, form pulp.SignatureForm, text string) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, s.Sign(context.Background(), form, &b, strings.NewReader(text)))
	return b.String()
}

// newApp makes an App that has the plugin and a service "ours".
func newApp(t testing.TB) (*pulptest.App, pulp.SigningService) {
	t.Helper()
	s := newService(t, "ours")
	return pulptest.New(t, pulptest.Plugins(deb.Plugin()), pulptest.Configure(func(c *pulp.Config) { c.SigningServices = []pulp.SigningService{s} })), s
}

// build makes a .deb without files.
func build(t testing.TB, name, version, arch string, more ...string) []byte {
	t.Helper()
	control := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: Ann <ann@example.org>\nDescription: a test\n of packages\n%s",
		name, version, arch, strings.Join(more, ""))
	return pack(archive(t, "./control", control), archive(t, "./usr/share/doc/"+name+"/readme", name+version))
}

func archive(t testing.TB, name, text string) []byte {
	t.Helper()
	b, err := tarOf(name, text)
	require.NoError(t, err)
	return b
}

// tarOf is a tar.gz of one file.
func tarOf(name, text string) ([]byte, error) {
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	w := tar.NewWriter(zip)
	err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))})
	_, fault := w.Write([]byte(text))
	err = errors.Join(err, fault, w.Close(), zip.Close())
	return b.Bytes(), err
}

// pack makes the outer archive.
func pack(control, data []byte) []byte {
	var b bytes.Buffer
	b.WriteString("!<arch>\n")
	for _, m := range []struct {
		name string
		data []byte
	}{{"debian-binary", []byte("2.0\n")}, {"control.tar.gz", control}, {"data.tar.gz", data}} {
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n%s", m.name, 0, 0, 0, "100644", len(m.data), m.data)
		if len(m.data)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

// upload makes a unit in a repository's distribution, and waits for it.
func upload(t testing.TB, app *pulptest.App, repo string, file []byte, dist string) {
	t.Helper()
	form := pulptest.Form{"repository": repo, "file": file}
	if dist != "" {
		form["distribution"], form["component"] = dist, "main"
	}
	app.Wait(t, app.Start(t, "POST", "content/deb/packages/", form))
}

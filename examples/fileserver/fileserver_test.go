package main_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/internal/upstream"
)

func TestServesUntilASignal(t *testing.T) {
	t.Parallel()
	noSignals(t)
	dir := t.TempDir()
	p := serving(t, nil, "-data", dir)
	for path, want := range map[string]int{
		"/pulp/api/v3/status/":            200,
		"/pulp/api/v3/docs/api.json":      200,
		"/pulp/api/v3/repositories/":      200,
		"/":                               200, // leads to the content
		"/pulp/content/":                  200,
		"/pulp/api/v3/repositories/none/": 404,
	} {
		code, body := p.get(path)
		require.Equal(t, want, code, "%s: %s", path, body)
	}
	p.client.CloseIdleConnections()
	require.NoError(t, p.Process.Signal(syscall.SIGTERM))
	require.Zero(t, p.code())
	require.NoFileExists(t, filepath.Join(dir, "pulp.db-wal"), "it was closed")
}

func TestPasswordIsMadeUpAndShownOnce(t *testing.T) {
	t.Parallel()
	noSignals(t)
	dir := t.TempDir()
	first := serving(t, nil, "-data", dir)
	require.NotEmpty(t, first.password)
	require.Zero(t, first.count("repositories/"))
	require.NotContains(t, first.log.String(), first.password)
	require.Zero(t, first.stop())

	second := serving(t, nil, "-data", dir)
	require.Empty(t, second.password, "it is not shown again")
	second.password = first.password
	require.Zero(t, second.count("repositories/"), "it is still the one")
	require.Zero(t, second.stop())

	third := serving(t, []string{"PULP_ADMIN_PASSWORD=another"}, "-data", dir)
	third.password = "another"
	require.Zero(t, third.count("repositories/"))
	third.password = first.password
	code, _ := third.get("/pulp/api/v3/repositories/")
	require.Equal(t, http.StatusUnauthorized, code)
	require.NotContains(t, third.out.String(), "another\n")
}

func TestOneServerForEachDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := serving(t, nil, "-data", dir)
	second := launch(t, nil, "-addr", "127.0.0.1:0", "-data", dir)
	require.Equal(t, 1, second.code())
	require.Contains(t, second.log.String(), fmt.Sprintf("in use by process %d", first.Process.Pid))
	require.Contains(t, second.log.String(), "another directory with -data")

	third := launch(t, nil, "-addr", strings.TrimPrefix(first.base, "http://"), "-data", t.TempDir())
	require.Equal(t, 1, third.code())
	require.Contains(t, third.log.String(), "another address with -addr")
	require.Empty(t, third.out.String(), "no password was made up")
}

func TestServersShareADirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := serving(t, nil, "-data", dir, "-shared")
	second := serving(t, nil, "-data", dir, "-shared")
	require.Empty(t, second.password, "there is one for both")
	second.password = first.password
	finish := first.halfRequest()
	require.Equal(t, http.StatusCreated, finish())
	require.Equal(t, 1, second.count("repositories/"))
	require.Eventually(t, func() bool { return second.count("workers/?online=true") == 2 }, 30*time.Second, 10*time.Millisecond, "both run tasks, once they have begun to")

	alone := launch(t, nil, "-addr", "127.0.0.1:0", "-data", dir)
	require.Equal(t, 1, alone.code())
	require.Contains(t, alone.log.String(), "start both with -shared")
}

func TestHTTPS(t *testing.T) {
	t.Parallel()
	cert, key := selfSigned(t)
	p := serving(t, nil, "-data", t.TempDir(), "-tls-cert", cert, "-tls-key", key)
	require.True(t, strings.HasPrefix(p.base, "https://"), p.base)
	code, _ := p.get("/pulp/api/v3/status/")
	require.Equal(t, http.StatusOK, code)
}

func TestClientsAreAskedForCertificatesIfThatIsWanted(t *testing.T) {
	t.Parallel()
	cert, key := selfSigned(t)
	for _, args := range [][]string{nil, {"-tls-client-certs"}} {
		p := serving(t, nil, append([]string{"-data", t.TempDir(), "-tls-cert", cert, "-tls-key", key}, args...)...)
		asked := false
		p.client.Transport.(*http.Transport).TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked = true
			return &tls.Certificate{}, nil
		}
		code, _ := p.get("/pulp/content/")
		require.Equal(t, http.StatusOK, code, "nobody needs one")
		require.Equal(t, args != nil, asked)
	}
}

func TestTrustedProxyTellsOfCertificates(t *testing.T) {
	t.Parallel()
	cert, _ := selfSigned(t)
	text, err := os.ReadFile(cert)
	require.NoError(t, err)
	for _, c := range []struct {
		args []string
		code int
	}{{nil, http.StatusForbidden}, {[]string{"-trust-proxy", "192.0.2.0/24", "-trust-proxy", "127.0.0.1"}, http.StatusNotFound}} {
		p := serving(t, nil, append([]string{"-data", t.TempDir()}, c.args...)...)
		guard := p.post("contentguards/certguard/x509/", map[string]string{"name": "g", "ca_certificate": string(text)})
		p.post("distributions/file/file/", map[string]string{"name": "d", "base_path": "d", "content_guard": guard["pulp_href"]})
		req, err := http.NewRequestWithContext(t.Context(), "GET", p.base+"/pulp/content/d/", nil)
		require.NoError(t, err)
		req.Header.Set("X-CLIENT-CERT", url.PathEscape(string(text)))
		require.Eventually(t, func() bool { // until the distribution is there
			res, err := p.client.Do(req)
			require.NoError(t, err)
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			return res.StatusCode == c.code && !strings.Contains(string(body), "Not found")
		}, 20*time.Second, 10*time.Millisecond, c.args)
	}
}

func TestMistakesAreExplained(t *testing.T) {
	t.Parallel()
	cert, _ := selfSigned(t)
	for _, c := range []struct {
		args []string
		code int
		text string
	}{
		{[]string{"-what"}, 2, "-h tells what there is"},
		{[]string{"what"}, 2, "nothing is known of"},
		{[]string{"-tls-cert", cert}, 2, "-tls-cert and -tls-key need each other"},
		{[]string{"-tls-client-certs"}, 2, "-tls-client-certs needs -tls-cert"},
		{[]string{"-trust-proxy", "proxy"}, 2, "it must be like 192.0.2.7 or 192.0.2.0/24"},
		{[]string{"-addr", ""}, 2, "-addr must name an address"},
		{[]string{"-mirror", "example.com"}, 2, "it must be like https://"},
		{[]string{"-mirror", "http://a/b", "-mirror", "https://a/b"}, 2, "there is a mirror a-b already"},
		{[]string{"-quota", "10X"}, 2, "it must be a number of bytes above zero"},
		{[]string{"-min-free", "99999999999G"}, 2, "it must be a number of bytes above zero"},
		{[]string{"-backup", "x", "-mirror", "http://a/b"}, 2, "-mirror is for serving"},
		{[]string{"-tls-cert", cert, "-tls-key", cert}, 1, "read the certificate and its key"},
		{[]string{"-data", filepath.Join(cert, "x")}, 1, "a directory that may be made and written"},
		{[]string{"-data", t.TempDir(), "-addr", "nowhere"}, 1, "the address is like 127.0.0.1:24817"},
	} {
		p := launch(t, nil, c.args...)
		require.Equal(t, c.code, p.code(), c.args)
		require.Contains(t, p.log.String(), c.text, c.args)
		require.Empty(t, p.out.String(), c.args)
	}
	p := launch(t, nil, "-version")
	require.Zero(t, p.code())
	require.Contains(t, p.out.String(), "Pulp API 3.")
}

// Requests that are under way end after the first signal, unless there is a second.
func TestSignals(t *testing.T) {
	t.Parallel()
	noSignals(t)
	t.Run("the first waits", func(t *testing.T) {
		t.Parallel()
		p := serving(t, nil, "-data", t.TempDir())
		finish := p.halfRequest()
		require.NoError(t, p.Process.Signal(syscall.SIGTERM))
		p.log.await(t, "stopping")
		require.Equal(t, http.StatusCreated, finish())
		require.Zero(t, p.code())
	})
	t.Run("the second does not", func(t *testing.T) {
		t.Parallel()
		p := serving(t, nil, "-data", t.TempDir())
		p.halfRequest()
		require.NoError(t, p.Process.Signal(syscall.SIGTERM))
		p.log.await(t, "stopping")
		require.NoError(t, p.Process.Signal(syscall.SIGTERM))
		require.Equal(t, 1, p.code())
		require.Contains(t, p.log.String(), "stopped at once")
	})
}

// halfRequest begins to create a repository; what it returns sends the rest.
func (p *process) halfRequest() (finish func() (status int)) {
	p.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.base, "http://"))
	require.NoError(p.t, err)
	p.t.Cleanup(func() { conn.Close() })
	r, w := io.Pipe()
	req, err := http.NewRequest("POST", p.base+"/pulp/api/v3/repositories/file/file/", r)
	require.NoError(p.t, err)
	req.SetBasicAuth("admin", p.password)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Expect", "100-continue") // the server says when it reads
	sent := make(chan error, 1)
	go func() { sent <- req.Write(conn) }()
	in := bufio.NewReader(conn)
	line, err := in.ReadString('\n')
	require.NoError(p.t, err)
	require.Contains(p.t, line, "100 Continue")
	_, err = in.ReadString('\n')
	require.NoError(p.t, err)
	return func() int {
		_, err := io.WriteString(w, `{"name": "late"}`)
		require.NoError(p.t, err)
		require.NoError(p.t, w.Close())
		require.NoError(p.t, <-sent)
		res, err := http.ReadResponse(in, req)
		require.NoError(p.t, err)
		defer res.Body.Close()
		return res.StatusCode
	}
}

func TestMirrorOverTwoStarts(t *testing.T) {
	t.Parallel()
	noSignals(t)
	up := upstream.New(5)
	manifest, stop, err := up.Start()
	require.NoError(t, err)
	t.Cleanup(stop)
	args := []string{"-data", t.TempDir(), "-mirror", strings.TrimSuffix(manifest, upstream.Manifest), "-mirror", manifest + "-gone"}
	host := strings.TrimSuffix(strings.TrimPrefix(manifest, "http://"), "/"+upstream.Manifest)
	content := "/pulp/content/" + strings.ReplaceAll(host, ":", "-") + "/"
	password := ""
	for range 2 {
		p := serving(t, nil, args...)
		if password == "" {
			password = p.password
		}
		p.password = password
		p.log.await(t, "msg=mirrored")
		p.log.await(t, "mirroring failed")
		for collection, want := range map[string]int{
			"remotes/": 2, "repositories/": 2, "distributions/": 2, "publications/": 1, "content/": 5,
		} {
			require.Equal(t, want, p.count(collection), collection)
		}
		for _, f := range up.Files {
			code, body := p.get(content + f.Path)
			require.Equal(t, http.StatusOK, code, f.Path)
			require.Len(t, body, int(f.Size))
		}
		require.Zero(t, p.stop())
	}
}

// selfSigned writes a certificate for 127.0.0.1 and its key.
func selfSigned(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		require.NoError(t, os.WriteFile(name, pem.EncodeToMemory(block), 0o600))
	}
	return cert, key
}

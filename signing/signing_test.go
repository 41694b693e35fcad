package signing_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/pulptest"
	"github.com/gopulp/pulp/signing"
)

// privateKey makes an armored key; a passphrase protects it.
func privateKey(t testing.TB, passphrase string) string {
	t.Helper()
	e, err := openpgp.NewEntity("ann", "", "ann@example.org", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA})
	require.NoError(t, err)
	if passphrase != "" {
		require.NoError(t, e.EncryptPrivateKeys([]byte(passphrase), nil))
	}
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.PrivateKeyType, nil)
	require.NoError(t, err)
	require.NoError(t, e.SerializePrivateWithoutSigning(w, nil))
	require.NoError(t, w.Close())
	return b.String()
}

// verifies requires that both forms of signatures fit the service's public key.
func verifies(t *testing.T, s pulp.SigningService) {
	t.Helper()
	keys, err := openpgp.ReadArmoredKeyRing(strings.NewReader(s.PublicKey()))
	require.NoError(t, err)
	require.Nil(t, keys[0].PrivateKey, "no secret in it")
	var detached, clear bytes.Buffer
	require.NoError(t, s.Sign(context.Background(), pulp.DetachedSignature, &detached, strings.NewReader("a\n")))
	_, err = openpgp.CheckArmoredDetachedSignature(keys, strings.NewReader("a\n"), &detached, nil)
	require.NoError(t, err)
	require.NoError(t, s.Sign(context.Background(), pulp.ClearSignature, &clear, strings.NewReader("a\n")))
	b, _ := clearsign.Decode(clear.Bytes())
	require.NotNil(t, b)
	require.Equal(t, "a\n", string(b.Plaintext))
	_, err = b.VerifySignature(keys, nil)
	require.NoError(t, err)
}

func TestOpenPGPSigns(t *testing.T) {
	t.Parallel()
	s, err := signing.OpenPGP("a", privateKey(t, ""), nil)
	require.NoError(t, err)
	verifies(t, s)
	locked := privateKey(t, "open sesame")
	s, err = signing.OpenPGP("a", locked, []byte("open sesame"))
	require.NoError(t, err)
	verifies(t, s)
	_, err = signing.OpenPGP("a", locked, []byte("guess"))
	require.ErrorContains(t, err, "passphrase")
	require.NotContains(t, err.Error(), "guess")
	_, err = signing.OpenPGP("a", s.PublicKey(), nil)
	require.ErrorContains(t, err, "private key")
}

// program writes an executable script.
func program(t *testing.T, text string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("it needs a shell")
	}
	path := filepath.Join(t.TempDir(), "sign.sh")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755))
	return path
}

// Tests that write programs and run them are not parallel: a fork of another test would hold the file open.
func TestAScriptThatSaysWhatPulpsDoSigns(t *testing.T) {
	key, err := signing.OpenPGP("a", privateKey(t, ""), nil)
	require.NoError(t, err)
	// What a script would have gpg do, done before: it signs nothing but the probe.
	dir := t.TempDir()
	var sig bytes.Buffer
	require.NoError(t, key.Sign(context.Background(), pulp.DetachedSignature, &sig, strings.NewReader("probe\n")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sig"), sig.Bytes(), 0o644))
	script := program(t, `[ "$PULP_SIGNING_KEY_FINGERPRINT" = "`+key.Fingerprint()+`" ] || exit 3
cp `+dir+`/sig "$1.asc" && echo "{\"file\": \"$1\", \"signature\": \"$1.asc\", \"key\": \"\"}"`)
	s, err := signing.Script(context.Background(), "s", script, key.PublicKey())
	require.NoError(t, err)
	require.Equal(t, key.Fingerprint(), s.Fingerprint())
	require.ErrorContains(t, s.Sign(context.Background(), pulp.ClearSignature, &sig, strings.NewReader("x")), "clear_signature")

	app := pulptest.New(t, pulptest.Configure(func(c *pulp.Config) { c.SigningServices = []pulp.SigningService{s} }))
	got := app.List(t, "signing-services/", "name=s")
	require.Len(t, got, 1)
	require.Equal(t, script, got[0].Text("script"))
	require.Equal(t, key.Fingerprint(), got[0].Text("pubkey_fingerprint"))
	require.Equal(t, got[0], app.Get(t, got[0].Href()))
	app.Refused(t, 405, "DELETE", got[0].Href(), nil)
	app.Refused(t, 405, "POST", "signing-services/", pulptest.Object{"name": "x"})
}

func TestScriptsThatDoNotSignAreRefused(t *testing.T) {
	key, err := signing.OpenPGP("a", privateKey(t, ""), nil)
	require.NoError(t, err)
	for text, want := range map[string]string{
		"echo no >&2; exit 1":                           "exit status 1: no",
		"echo hello":                                    "JSON",
		"echo {}":                                       "signature",
		`echo '{"signature": "/etc/passwd"}'`:           "signature that",
		`echo '{"signature": "nothing"}'`:               "nothing",
		`echo x >s; echo '{"signature": "s"}'`:          "not well signed by its public key",
		`touch s; echo '{"signature": "s"}'`:            "not well signed",
		`mkfifo s; echo '{"signature": "s"}'`:           "is no file",
		`truncate -s 99M s; echo '{"signature": "s"}'`:  "at most 67108864 bytes",
		`ln -s /etc s; echo '{"signature":"s/passwd"}'`: "signature that",
	} {
		_, err := signing.Script(context.Background(), "s", program(t, text), key.PublicKey())
		require.ErrorContains(t, err, want, text)
	}
	_, err = signing.Script(context.Background(), "s", "sign.sh", key.PublicKey())
	require.ErrorContains(t, err, "absolute")
}

// A program may sign what it was not asked to, or with a key that is not its own any more: that is
// seen when it signs, not by clients.
func TestWhatAScriptSignsIsVerified(t *testing.T) {
	key, err := signing.OpenPGP("a", privateKey(t, ""), nil)
	require.NoError(t, err)
	other, err := signing.OpenPGP("b", privateKey(t, ""), nil)
	require.NoError(t, err)
	dir := t.TempDir()
	put := func(name string, s pulp.SigningService, form pulp.SignatureForm, text string) {
		var b bytes.Buffer
		require.NoError(t, s.Sign(context.Background(), form, &b, strings.NewReader(text)))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644))
	}
	put("asc", key, pulp.DetachedSignature, "probe\n")
	put("clear", key, pulp.ClearSignature, "hello\n")
	s, err := signing.Script(context.Background(), "s", program(t, `cp `+dir+`/* . && echo '{"signature": "asc", "clear_signature": "clear"}'`), key.PublicKey())
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, s.Sign(context.Background(), pulp.ClearSignature, &out, strings.NewReader("hello\n")))
	require.Contains(t, out.String(), "hello\n")
	out.Reset()
	require.ErrorContains(t, s.Sign(context.Background(), pulp.ClearSignature, &out, strings.NewReader("other\n")), "another text")
	require.ErrorContains(t, s.Sign(context.Background(), pulp.DetachedSignature, &out, strings.NewReader("other\n")), "not well signed")
	put("clear", other, pulp.ClearSignature, "hello\n")
	require.ErrorContains(t, s.Sign(context.Background(), pulp.ClearSignature, &out, strings.NewReader("hello\n")), "not well signed")
	require.Empty(t, out.String(), "nothing is written of it")
}

func TestKeysOfSeveralBlocksVerify(t *testing.T) {
	t.Parallel()
	one, err := signing.OpenPGP("a", privateKey(t, ""), nil)
	require.NoError(t, err)
	two, err := signing.OpenPGP("b", privateKey(t, ""), nil)
	require.NoError(t, err)
	keys, err := signing.ReadKeys("keys", one.PublicKey()+two.PublicKey())
	require.NoError(t, err)
	for _, s := range []pulp.SigningService{one, two} {
		var clear, detached bytes.Buffer
		require.NoError(t, s.Sign(context.Background(), pulp.ClearSignature, &clear, strings.NewReader("a\n")))
		require.NoError(t, s.Sign(context.Background(), pulp.DetachedSignature, &detached, strings.NewReader("a\n")))
		text, err := keys.Open(clear.Bytes())
		require.NoError(t, err)
		require.Equal(t, "a\n", string(text))
		require.Equal(t, "a\n", string(signing.Text(clear.Bytes())))
		require.NoError(t, keys.Check([]byte("a\n"), detached.Bytes()))
		require.ErrorContains(t, keys.Check([]byte("b\n"), detached.Bytes()), "not well signed by keys")
		_, err = signing.Keys{}.Open(clear.Bytes())
		require.Error(t, err, "no key verifies nothing")
		require.Error(t, signing.Keys{}.Check([]byte("a\n"), detached.Bytes()))
	}
	require.Equal(t, "plain", string(signing.Text([]byte("plain"))))
}

func TestPrivateKeysAreNotTakenForPublicOnes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{privateKey(t, ""): "private key", privateKey(t, "open sesame"): "private key", "": "no armored data", "x": "no armored data"} {
		_, err := signing.ReadKeys("gpgkey", text)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "gpgkey")
	}
}

package signing_test

import (
	"bytes"
	"crypto"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/signing"
)

// signatures are both forms of what a key signs.
func signatures(t *testing.T, e *openpgp.Entity, cfg *packet.Config, text string) (clear, detached []byte) {
	t.Helper()
	var c, d bytes.Buffer
	key, ok := e.SigningKey(cfg.Now())
	require.True(t, ok)
	w, err := clearsign.Encode(&c, key.PrivateKey, cfg)
	require.NoError(t, err)
	_, err = io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, openpgp.DetachSign(&d, e, strings.NewReader(text), cfg))
	return c.Bytes(), d.Bytes()
}

// public are the keys as others know them.
func public(t *testing.T, all ...*openpgp.Entity) signing.Keys {
	t.Helper()
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.PublicKeyType, nil)
	require.NoError(t, err)
	for _, e := range all {
		require.NoError(t, e.Serialize(w))
	}
	require.NoError(t, w.Close())
	keys, err := signing.ReadKeys("keys", b.String())
	require.NoError(t, err)
	return keys
}

func TestOnlyGoodSignaturesOfGoodKeysVerify(t *testing.T) {
	t.Parallel()
	then := packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, DefaultHash: crypto.SHA512, Time: func() time.Time { return time.Now().Add(-48 * time.Hour) }}
	brief := then
	brief.KeyLifetimeSecs = 3600
	for name, cfg := range map[string]*packet.Config{"good": &then, "expired": &brief, "revoked": &then} {
		e, err := openpgp.NewEntity("ann", "", "ann@example.org", cfg)
		require.NoError(t, err)
		clear, detached := signatures(t, e, cfg, "hello\n")
		if name == "revoked" {
			require.NoError(t, e.RevokeKey(packet.KeyCompromised, "lost", nil))
		}
		keys := public(t, e)
		_, err = keys.Open(clear)
		fault := keys.Check([]byte("hello\n"), detached)
		if name == "good" {
			require.NoError(t, err)
			require.NoError(t, fault)
			continue
		}
		require.ErrorContains(t, err, "not well signed by keys", name)
		require.ErrorContains(t, fault, "not well signed by keys", name)
	}
}

// While a distribution changes its key it signs with both: clients need one of them.
func TestOneGoodSignatureAmongSomeIsEnough(t *testing.T) {
	t.Parallel()
	cfg := &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return time.Now().Add(-48 * time.Hour) }}
	brief := *cfg
	brief.KeyLifetimeSecs = 3600
	old, err := openpgp.NewEntity("old", "", "old@example.org", &brief)
	require.NoError(t, err)
	now, err := openpgp.NewEntity("new", "", "new@example.org", cfg)
	require.NoError(t, err)
	_, first := signatures(t, old, cfg, "hello\n")
	_, second := signatures(t, now, cfg, "hello\n")
	require.NoError(t, public(t, now).Check([]byte("hello\n"), append(first, second...)))
	require.NoError(t, public(t, old, now).Check([]byte("hello\n"), append(first, second...)))
	require.ErrorContains(t, public(t, old, now).Check([]byte("hello\n"), first), "expired")
	require.ErrorContains(t, public(t, now).Check([]byte("hello\n"), bytes.Repeat(first, 20)), "unknown")
	require.Error(t, public(t, now).Check([]byte("hullo\n"), append(first, second...)))
}

// What gpg made with --digest-algo SHA1 of "hello\n", and its key.
const (
	sha1Clear = `-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA1

hello
-----BEGIN PGP SIGNATURE-----

iHUEARYCAB0WIQTb1BkoFXnUvuUE1MvzViA5a0QkxgUCXgvhAAAKCRDzViA5a0Qk
xhGOAPsGWWCCmuv9IiBjBPagZ7gonGy8IBizf62hS6xSGlaMIgD+NZzkSQkkPf67
E0zVDCbtCSTk4P9YjFEZGagkxTsMiQ4=
=hzbO
-----END PGP SIGNATURE-----
`
	sha1Detached = `-----BEGIN PGP SIGNATURE-----

iHUEABYCAB0WIQTb1BkoFXnUvuUE1MvzViA5a0QkxgUCXgvhAAAKCRDzViA5a0Qk
xmfYAQCYoPZVQwHSCgQhV71eUECrySnGeHApsqgf6Je4Y8uL7QD/f1bj71uarn07
R6Pv3G/9bnCL8QcG5EmY4eUydpSIIAQ=
=tKzA
-----END PGP SIGNATURE-----
`
	sha1Key = `-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEXgvhABYJKwYBBAHaRw8BAQdAp4ZQcnrCtwal6ieKjfFx8rXVFE3wZLypesa/
n4AAnwW0D2FubkBleGFtcGxlLm9yZ4iQBBMWCAA4FiEE29QZKBV51L7lBNTL81Yg
OWtEJMYFAl4L4QACGwMFCwkIBwIGFQoJCAsCBBYCAwECHgECF4AACgkQ81YgOWtE
JMZQDgEAxXWvT82Flb1vG90RvzS8myGr8bGBOfgErdOEHEo0ZpAA/0Rk7svqbqpz
N20XqeSVWdQLcVxCzznpxXqb/bbROHkI
=nxNx
-----END PGP PUBLIC KEY BLOCK-----
`
)

func TestSignaturesWithSHA1AreNotGood(t *testing.T) {
	t.Parallel()
	keys, err := signing.ReadKeys("keys", sha1Key)
	require.NoError(t, err)
	_, err = keys.Open([]byte(sha1Clear))
	require.ErrorContains(t, err, "hash")
	require.ErrorContains(t, keys.Check([]byte("hello\n"), []byte(sha1Detached)), "hash")
}

func FuzzKeys(f *testing.F) {
	service, err := signing.OpenPGP("a", privateKey(f, ""), nil)
	require.NoError(f, err)
	keys, err := signing.ReadKeys("keys", service.PublicKey())
	require.NoError(f, err)
	var clear, detached bytes.Buffer
	require.NoError(f, service.Sign(f.Context(), pulp.ClearSignature, &clear, strings.NewReader("hello\n- dash\n")))
	require.NoError(f, service.Sign(f.Context(), pulp.DetachedSignature, &detached, strings.NewReader("hello\n")))
	f.Add([]byte("hello\n"), []byte{})
	f.Add(clear.Bytes(), detached.Bytes())
	f.Add([]byte("-----BEGIN PGP SIGNED MESSAGE-----\n\n"), []byte("-----BEGIN PGP SIGNATURE-----\n"))
	f.Fuzz(func(t *testing.T, message, signature []byte) {
		if text, err := keys.Open(message); err == nil {
			require.Contains(t, clear.String(), strings.TrimSpace(strings.SplitN(string(text), "\n", 2)[0]), "nothing else was signed")
		}
		if keys.Check(message, signature) == nil {
			require.Equal(t, "hello\n", string(message), "nothing else was signed")
		}
		_ = signing.Text(message)
	})
}

package signing_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/signing"
)

// newKey makes what an operator has in a file: an armored private key.
func newKey() string {
	e, err := openpgp.NewEntity("Releases", "", "releases@example.org", nil)
	check(err)
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.PrivateKeyType, nil)
	check(err)
	check(e.SerializePrivate(w, nil))
	check(w.Close())
	return b.String()
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// The service belongs into Config.SigningServices, which signs for all plugins.
func ExampleOpenPGP() {
	service, err := signing.OpenPGP("releases", newKey(), nil)
	check(err)
	var signed bytes.Buffer
	check(service.Sign(context.Background(), pulp.ClearSignature, &signed, strings.NewReader("hello\n")))
	fmt.Println(strings.HasPrefix(signed.String(), "-----BEGIN PGP SIGNED MESSAGE-----"))

	// A key that cannot sign is refused when the service is made, not when something is published.
	_, err = signing.OpenPGP("releases", "no key", nil)
	fmt.Println(err)
	// Output:
	// true
	// signing service releases: read private key: openpgp: invalid argument: no armored data found
}

// A program that signs may keep its key where it likes; it is tried when the service is made.
func ExampleScript() {
	key, err := signing.OpenPGP("releases", newKey(), nil)
	check(err)
	dir, err := os.MkdirTemp("", "script")
	check(err)
	defer os.RemoveAll(dir)
	check(os.WriteFile(dir+"/sign.sh", []byte("#!/bin/sh\necho 'no card in the reader' >&2; exit 2\n"), 0o700))
	_, err = signing.Script(context.Background(), "card", dir+"/sign.sh", key.PublicKey())
	fmt.Println(strings.ReplaceAll(err.Error(), dir, "/etc"))
	// Output:
	// signing service card: try it: sign: /etc/sign.sh: exit status 2: no card in the reader
}

// What others signed is verified by keys that somebody trusts.
func ExampleKeys() {
	service, err := signing.OpenPGP("releases", newKey(), nil)
	check(err)
	var message bytes.Buffer
	check(service.Sign(context.Background(), pulp.ClearSignature, &message, strings.NewReader("hello\n")))

	keys, err := signing.ReadKeys("the vendor's key", service.PublicKey())
	check(err)
	text, err := keys.Open(message.Bytes())
	fmt.Printf("%s%v\n", text, err)
	_, err = keys.Open([]byte("hello\n"))
	fmt.Println(err)
	// Output:
	// hello
	// <nil>
	// it is not signed, but must be by the vendor's key
}

// What is only shown is read without a key; what is relied on is opened by [signing.Keys].
func ExampleText() {
	service, err := signing.OpenPGP("releases", newKey(), nil)
	check(err)
	var message bytes.Buffer
	check(service.Sign(context.Background(), pulp.ClearSignature, &message, strings.NewReader("hello\n")))
	fmt.Printf("%s", signing.Text(message.Bytes()))
	fmt.Printf("%s", signing.Text([]byte("hello, unsigned\n")))
	// Output:
	// hello
	// hello, unsigned
}

package server

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/gopulp/pulp"
)

// A config is what the command line and the environment say.
type config struct {
	Program
	addr, data      string
	tlsCert, tlsKey string
	clientCerts     bool     // are asked for
	proxies         prefixes // that may say which certificate their client has
	mirrors         mirrors
	shared          bool
	quota, minFree  bytesOf
	backup, verify  string // directories to make a copy in, and to look after, instead of serving
	version         bool
	keys            keys
	password        string // of the user admin; empty leaves it as it is
	passphrase      string // of the keys that sign
	log             *slog.Logger
}

// parse reads the flags; out gets the help.
func (p Program) parse(args []string, out io.Writer) (config, error) {
	c := config{Program: p, password: os.Getenv("PULP_ADMIN_PASSWORD"), passphrase: os.Getenv("PULP_SIGN_PASSPHRASE")}
	flags := c.flags()
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		c.help(out, flags)
	case err == nil:
		err = c.check(flags.Args())
	}
	return c, err
}

// flags are those of the command line, which set c.
func (c *config) flags() *flag.FlagSet {
	flags := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.addr, "addr", "127.0.0.1:24817", "the `address` to listen on; port 0 means any that is free")
	flags.StringVar(&c.data, "data", "./pulp-data", "the data `directory`; it is made if it is not there")
	flags.StringVar(&c.tlsCert, "tls-cert", "", "the `file` with the certificate, in PEM, to serve HTTPS")
	flags.StringVar(&c.tlsKey, "tls-key", "", "the `file` with the certificate's private key, in PEM")
	flags.BoolVar(&c.clientCerts, "tls-client-certs", false, "ask clients for certificates, for content guards that go by them; nobody needs one otherwise")
	flags.Var(&c.proxies, "trust-proxy", "the `address` or network of a proxy whose X-Forwarded-Proto, X-Forwarded-Host and X-CLIENT-CERT are believed; may be given many times")
	flags.Var(&c.mirrors, "mirror", "the `URL` of a manifest to mirror, sync and serve; may be given many times")
	flags.BoolVar(&c.shared, "shared", false, "let other servers on this machine use the data directory, too, if all of them say -shared")
	flags.StringVar(&c.backup, "backup", "", "copy everything in -data to this `directory` and end; one with an earlier copy gets what is new")
	flags.StringVar(&c.verify, "verify", "", "read everything in this data `directory`, or copy of one, compare it with its digests and end; the exit code is 1 if anything is wrong")
	flags.Var(&c.quota, "quota", "how many `bytes` the files may take, like 500G; more are refused. Without it there is no limit")
	flags.Var(&c.minFree, "min-free", "how many `bytes` of the disk stay free, like 10G. Without it 1 % of the disk, at most 100M")
	flags.BoolVar(&c.version, "version", false, "print the version and end")
	if c.Signs {
		flags.Var(&c.keys, "sign", "offer a service `NAME=FILE` that signs publications with the armored private key in the file; may be given many times")
	}
	return flags
}

// help tells what there is.
func (c *config) help(out io.Writer, flags *flag.FlagSet) {
	fmt.Fprintf(out, "%s %s\nFlags:\n", c.Name, c.About)
	flags.SetOutput(out)
	flags.PrintDefaults()
	fmt.Fprintln(out, "Environment:\n  PULP_ADMIN_PASSWORD\n    \tthe password of the user admin; without it, the first start makes one up")
	if c.Signs {
		fmt.Fprintln(out, "  PULP_SIGN_PASSPHRASE\n    \tthe passphrase of the keys that -sign names, if they have one")
	}
}

// check refuses what does not go together.
func (c *config) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("nothing is known of %q", rest[0])
	case len(c.mirrors) > 0 && (c.backup != "" || c.verify != ""):
		return errors.New("-mirror is for serving, which -backup and -verify do not do")
	case c.addr == "":
		return errors.New("-addr must name an address, like 127.0.0.1:24817")
	case (c.tlsCert == "") != (c.tlsKey == ""):
		return errors.New("-tls-cert and -tls-key need each other")
	case c.clientCerts && c.tlsCert == "":
		return errors.New("-tls-client-certs needs -tls-cert: without TLS, a proxy named by -trust-proxy tells of certificates")
	}
	return nil
}

// version tells of the program and of the API that it speaks.
func (p Program) version() string {
	module := "(unknown)"
	if info, ok := debug.ReadBuildInfo(); ok {
		module = info.Main.Version
	}
	return fmt.Sprintf("%s %s, Pulp API %s, %s", p.Name, module, pulp.CoreVersion, runtime.Version())
}

// bytesOf is a flag of a number of bytes.
type bytesOf int64

// String makes it a flag.
func (b *bytesOf) String() string { return "" }

// Set reads a number, which may end in K, M, G or T: 1024 bytes, and so on.
func (b *bytesOf) Set(text string) error {
	digits := strings.TrimRight(text, "KMGT")
	n, err := strconv.ParseInt(digits, 10, 64)
	shift := 10 * (1 + strings.Index("KMGT", text[len(digits):]))
	if len(text) == len(digits) {
		shift = 0
	}
	if err != nil || n <= 0 || len(text)-len(digits) > 1 || n > math.MaxInt64>>shift {
		return errors.New("it must be a number of bytes above zero, like 1048576, 500M or 10G")
	}
	*b = bytesOf(n << shift)
	return nil
}

// prefixes is the flag that names networks.
type prefixes []netip.Prefix

// String makes it a flag.
func (ps *prefixes) String() string { return "" }

// Set adds a network, or a single address.
func (ps *prefixes) Set(text string) error {
	p, err := netip.ParsePrefix(text)
	if addr, bad := netip.ParseAddr(text); bad == nil {
		p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	if err != nil {
		return errors.New("it must be like 192.0.2.7 or 192.0.2.0/24")
	}
	*ps = append(*ps, p.Masked())
	return nil
}

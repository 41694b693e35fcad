package pulp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/pulptest"
)

// A stamp is a signing service that signs with its name. A text of "no" it does not sign.
type stamp string

func (s stamp) Name() string { return string(s) }

func (s stamp) PublicKey() string { return "key of " + string(s) }

func (s stamp) Fingerprint() string { return "F1" }

func (s stamp) Sign(_ context.Context, form pulp.SignatureForm, signed io.Writer, text io.Reader) error {
	data, err := io.ReadAll(text)
	if string(data) == "no" {
		return errors.New("the pin of the key is 1234")
	}
	if form == pulp.ClearSignature {
		_, err = fmt.Fprintf(signed, "%s, ", data)
	}
	_, fault := fmt.Fprintf(signed, "signed by %s", s)
	return errors.Join(err, fault)
}

// A letter says what a publication signs.
type letter struct {
	Text    string `json:"text"`
	Service *int64 `json:"signing_service" pulp:"ref=signing_service"`
}

// letters is a plugin whose publications are signed letters.
func letters() pulp.Plugin {
	content := &pulp.ContentType[boxContent]{Name: "letter"}
	repositories := &pulp.RepositoryType[pulp.None]{Name: "letter", Content: []pulp.Part{content}}
	publications := &pulp.PublicationType[letter]{Name: "letter", Repositories: "letter", Publish: func(ctx context.Context, p *pulp.Publishing, pub *pulp.Publication[letter]) error {
		service, err := pulp.FromContext(ctx).SigningService(ctx, *pub.Detail.Service)
		if err != nil {
			return err
		}
		if err := p.Sign(ctx, service, pulp.DetachedSignature, "letter.sig", []byte(pub.Detail.Text)); err != nil {
			return err
		}
		return p.Sign(ctx, service, pulp.ClearSignature, "letter", []byte(pub.Detail.Text))
	}}
	return pulp.Plugin{Name: "letter", Version: "1.0.0", Parts: []pulp.Part{content, repositories, publications, &pulp.DistributionType[pulp.None]{Name: "letter", FromPublication: true}}}
}

func TestPublicationsAreSigned(t *testing.T) {
	t.Parallel()
	app := pulptest.New(t, pulptest.Plugins(letters()), pulptest.Configure(func(c *pulp.Config) { c.SigningServices = []pulp.SigningService{stamp("a"), stamp("b")} }))
	repo := app.Create(t, "repositories/letter/letter/", object{"name": "r"})
	service := app.List(t, "signing-services/", "name=b")[0].Href()
	made := app.Create(t, "publications/letter/letter/", object{"repository": repo.Href(), "text": "hello", "signing_service": service})
	require.Equal(t, service, made.Text("signing_service"))
	app.Create(t, "distributions/letter/letter/", object{"name": "d", "base_path": "d", "publication": made.Href()})
	require.Equal(t, "hello, signed by b", string(app.Content(t, "d/letter").Body))
	require.Equal(t, "signed by b", string(app.Content(t, "d/letter.sig").Body))

	why := app.Fails(t, "publications/letter/letter/", object{"repository": repo.Href(), "text": "no", "signing_service": service})
	require.Contains(t, why, `signing service "b"`)
	require.NotContains(t, why, "1234", "that is for the log")
	require.Contains(t, app.Log.String(), "the pin of the key is 1234")
	require.Len(t, app.List(t, "publications/letter/letter/"), 1)
	app.Refused(t, 400, "POST", "publications/letter/letter/", object{"repository": repo.Href(), "text": "x", "signing_service": repo.Href()})
}

func TestServicesThatAreConfiguredNoMoreAreNeitherShownNorUsed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func(names ...stamp) *pulptest.App {
		return pulptest.New(t, pulptest.Dir(dir), pulptest.Plugins(letters()), pulptest.Configure(func(c *pulp.Config) {
			for _, s := range names {
				c.SigningServices = append(c.SigningServices, s)
			}
		}))
	}
	app := open("a", "b")
	repo := app.Create(t, "repositories/letter/letter/", object{"name": "r"}).Href()
	gone := app.List(t, "signing-services/", "name=b")[0].Href()
	app.Create(t, "publications/letter/letter/", object{"repository": repo, "text": "hello", "signing_service": gone})
	app.Stop()
	app = open("a")
	require.Len(t, app.List(t, "signing-services/"), 1)
	app.Refused(t, 404, "GET", gone, nil)
	require.Len(t, app.List(t, "publications/letter/letter/"), 1)
	body := object{"repository": repo, "text": "hello", "signing_service": gone}
	if a := app.Do(t, "POST", "publications/letter/letter/", body); a.Code != 400 {
		require.Contains(t, app.Failed(t, a.Object(t).Text("task")).Text("description"), `"b"`)
	}
	app.Stop()
	app = open("a", "b")
	require.Equal(t, gone, app.List(t, "signing-services/", "name=b")[0].Href(), "it comes back under its name")
}

func TestSigningServicesNeedNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	for want, services := range map[string][]pulp.SigningService{"needs a name": {stamp("")}, `the name "a"`: {stamp("a"), stamp("a")}, "each service": {nil}} {
		_, err := tryShop(t, shopSchema, pulp.Config{Parts: shopParts, SigningServices: services})
		require.ErrorContains(t, err, "Config.SigningServices")
		require.ErrorContains(t, err, want)
	}
}

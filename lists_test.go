package pulp_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/plugins/file"
	"github.com/stretchr/testify/require"
)

// openList has the orders a, b, c, ... made one after another.
func openList(t *testing.T) *shop {
	t.Helper()
	s := openShop(t, file.Plugin())
	for i, name := range []string{"alpha", "Beta", "50%_off", "naïve", "a,b"} {
		s.make(t, "shop/orders/", fmt.Sprintf(`{"name":%q,"amount":%d,"price":%d.5,"due":"2026-01-0%d","gift":%t}`, name, i+1, i, i+1, i%2 == 0))
	}
	s.make(t, "shop/orders/", `{"name":"none"}`)
	return s
}

func TestPagesFollowLimitAndOffset(t *testing.T) {
	t.Parallel()
	s := openList(t)
	all := []string{"none", "a,b", "naïve", "50%_off", "Beta", "alpha"} // newest first
	for query, want := range map[string][]string{
		"": all, "limit=2": all[:2], "limit=2&offset=2": all[2:4], "offset=5": all[5:], "offset=6": {}, "offset=600": {},
		"limit=0": all, "limit=-1": all, "limit=x": all, "limit=": all, "offset=-1": all, "offset=x": all, "limit=99999": all, "limit=1&limit=2": all[:1],
	} {
		require.Equal(t, want, s.names(t, "shop/orders/?"+query, "name"), query)
	}
	page := s.ask(t, "GET", "http://pulp.example"+shopAPI+"shop/orders/?limit=2&offset=2&gift=&fields=name", "").object(t)
	require.EqualValues(t, 6, page["count"])
	require.Equal(t, "http://pulp.example"+shopAPI+"shop/orders/?fields=name&gift=&limit=2&offset=4", page["next"])
	require.Equal(t, "http://pulp.example"+shopAPI+"shop/orders/?fields=name&gift=&limit=2", page["previous"])
}

func TestOrderingSortsByEveryColumn(t *testing.T) {
	t.Parallel()
	s := openList(t)
	for query, first := range map[string]string{
		"name": "50%_off", "-name": "none", "amount": "none", "-amount": "a,b", "pulp_created": "alpha", "-pulp_created": "none",
		"pk": "alpha", "-pk": "none", "pulp_id": "alpha", "gift,-name": "none", "-gift,name": "50%_off", "state,-amount": "a,b",
	} {
		require.Equal(t, first, s.names(t, "shop/orders/?ordering="+query, "name")[0], query)
	}
	for _, bad := range []string{"nothing", "-nothing", "token", "tags", "remote", "name;DROP", "--name"} {
		r := s.ask(t, "GET", "shop/orders/?ordering="+url.QueryEscape(bad), "")
		require.Equal(t, reply{400, `{"ordering":["Select a valid choice. ` + bad + ` is not one of the available choices."]}`}, r)
	}
}

func TestFieldsPruneObjects(t *testing.T) {
	t.Parallel()
	s := openList(t)
	one := s.ask(t, "GET", "shop/orders/?limit=1", "").object(t)["results"].([]any)[0].(map[string]any)["pulp_href"].(string)
	for query, want := range map[string]string{
		"fields=name": `{"name":"none"}`, "fields=name,amount": `{"name":"none","amount":1}`, "fields=name&fields=gift": `{"name":"none","gift":false}`,
		"fields=nothing": `{}`, "fields=name,total&exclude_fields=name": `{"total":null}`, "fields=hidden_fields": `{"hidden_fields":[{"name":"token","is_set":false}]}`,
	} {
		require.JSONEq(t, want, s.ask(t, "GET", one+"?"+query, "").body, query)
		require.JSONEq(t, want, encoded(t, s.ask(t, "GET", "shop/orders/?limit=1&"+query, "").object(t)["results"].([]any)[0]), query)
	}
	all := s.ask(t, "GET", one, "").object(t)
	rest := s.ask(t, "GET", one+"?exclude_fields=name,prn", "").object(t)
	require.Len(t, rest, len(all)-2)
	require.NotContains(t, rest, "name")
}

func TestUnknownParameterIsRefused(t *testing.T) {
	t.Parallel()
	s := openList(t)
	for _, name := range []string{"x", "name__endswith", "token", "note"} {
		require.Equal(t, reply{400, `{"errors":["Invalid Filter: '` + name + `'"]}`}, s.ask(t, "GET", "shop/orders/?"+name+"=1", ""))
	}
	require.Equal(t, http.StatusOK, s.ask(t, "GET", "shop/orders/?format=json&page_size=3&minimal=true", "").code)
}

func TestEveryLookupFindsWhatItSays(t *testing.T) {
	t.Parallel()
	s := openList(t)
	for query, want := range map[string]string{
		"name=Beta": "Beta", "name=beta": "", "name=": "alpha Beta 50%_off naïve a,b none", "name=alpha&name=Beta": "Beta", "name=a,b": "a,b",
		"name__iexact=BETA": "Beta", "name__iexact=50%25_off": "50%_off", "name__iexact=50%25%25off": "", "name__iexact=b_ta": "",
		"name__in=alpha,Beta": "alpha Beta", "name__in=alpha&name__in=Beta": "alpha Beta", "name__in=x": "",
		"name__contains=et": "Beta", "name__contains=ET": "", "name__contains=%25": "50%_off", "name__contains=_": "50%_off", "name__contains='": "",
		"name__icontains=ET": "Beta", "name__icontains=%25": "50%_off", "name__icontains=_": "50%_off", "name__icontains=%5C": "",
		"name__startswith=al": "alpha", "name__startswith=AL": "", "name__startswith=5": "50%_off", "name__istartswith=AL": "alpha", "name__istartswith=%25": "",
		"name__regex=%5Ea.*a$": "alpha", "name__regex=%5EB": "Beta", "name__regex=%5Eb": "", "name__iregex=%5Eb": "Beta", "name__regex=%5Cd%7B2%7D%25": "50%_off", "name__regex=": "alpha Beta 50%_off naïve a,b none",
		"amount=2": "Beta", "amount__ne=1": "Beta 50%_off naïve a,b", "amount__lt=2": "alpha none", "amount__lte=2": "alpha Beta none", "amount__gt=4": "a,b", "amount__gte=4": "naïve a,b",
		"amount__range=2,3": "Beta 50%_off", "amount__isnull=true": "", "amount__isnull=false&amount__gt=4": "a,b", "amount=": "alpha Beta 50%_off naïve a,b none",
		"price=1.5": "Beta", "price__gt=3": "naïve a,b", "price__isnull=true": "none", "price__range=0,1.5": "alpha Beta",
		"gift=true": "alpha 50%_off a,b", "gift=0": "Beta naïve none", "gift=": "alpha Beta 50%_off naïve a,b none",
		"due=2026-01-02": "Beta", "due__lt=2026-01-02T00:00:00Z": "alpha", "due__lte=2026-01-02": "alpha Beta", "due__gt=2026-01-04": "a,b", "due__gte=2026-01-04": "naïve a,b",
		"due__range=2026-01-02,2026-01-03": "Beta 50%_off", "due__isnull=true": "none", "due__isnull=0": "alpha Beta 50%_off naïve a,b",
		"state=new&name=alpha": "alpha", "state=paid": "", "remote=null": "alpha Beta 50%_off naïve a,b none", "remote=": "alpha Beta 50%_off naïve a,b none",
	} {
		require.Equal(t, strings.Fields(want), s.names(t, "shop/orders/?ordering=pulp_created&"+query, "name"), query)
	}
	for query, want := range map[string]string{
		"amount=x": `{"amount":["Enter a number."]}`, "amount__range=1": `{"amount__range":["Range query expects two values."]}`, "price=x": `{"price":["Enter a number."]}`,
		"amount__range=1,x": `{"amount__range":["Enter a number."]}`, "due__lt=x": `{"due__lt":["Enter a valid date/time."]}`, "gift=perhaps": `{"gift":["Enter true or false."]}`,
		"name__regex=(": `{"name__regex":["Enter a valid regular expression."]}`, "name=a%00b": `{"name":["Null characters are not allowed."]}`,
		"name__iregex=%00": `{"name__iregex":["Null characters are not allowed."]}`, "pulp_label_select=a%00": `{"pulp_label_select":["Null characters are not allowed."]}`,
		"name__regex=" + strings.Repeat("a", 1000):       `{"name__regex":["Ensure this value has at most 900 characters."]}`,
		"name__icontains=" + strings.Repeat("a", 60_000): `{"name__icontains":["Ensure this value has at most 10000 characters."]}`,
		"remote=/nowhere/":                               `["Invalid hyperlink - No URL match."]`,
		"remote=" + shopAPI + "shop/buyers/1/":           `["Invalid hyperlink - Incorrect URL match."]`,
		"pulp_id__in=x":                                  `{"pulp_id__in":["“x” is not a valid UUID."]}`,
		"pulp_href__in=x":                                `{"pulp_href__in":["Invalid value: \"x\" is neither an href nor a PRN."]}`,
		"pulp_label_select=!a%3Db":                       `{"pulp_label_select":["Invalid search term: '!a=b'."]}`,
	} {
		require.Equal(t, reply{400, want}, s.ask(t, "GET", "shop/orders/?"+query, ""), "%.60s", query)
	}
}

func TestExpressionsJoinFilters(t *testing.T) {
	t.Parallel()
	s := openList(t)
	for query, want := range map[string]string{
		"name=alpha": "alpha", "NOT name=alpha": "Beta 50%_off naïve a,b none", "name=alpha OR name=Beta": "alpha Beta", "amount__gt=2 AND gift=true": "50%_off a,b",
		"name=alpha OR name=Beta AND gift=true": "alpha", "(name=alpha OR name=Beta) AND gift=false": "Beta", "NOT (name=alpha OR amount__gt=1)": "none", "NOT NOT name=alpha": "alpha",
		"name='a,b'": "a,b", `name="50%_off"`: "50%_off", "name=naïve": "naïve", "NOT price__gt=3": "alpha Beta 50%_off none", "name__in=alpha,Beta": "alpha Beta",
		`(pulp_label_select="!x" AND name__icontains=BET) OR name=none`: "Beta none", "remote=null AND name=alpha": "alpha", "": "alpha Beta 50%_off naïve a,b none",
	} {
		require.Equal(t, strings.Fields(want), s.names(t, "shop/orders/?ordering=pulp_created&q="+url.QueryEscape(query), "name"), query)
	}
	const syntax = "Syntax error in expression."
	for query, sentence := range map[string]string{
		"name": syntax, "name=": syntax, "name=a b": syntax, "(name=a": syntax, "name=a)": syntax, "name=a AND": syntax, "AND": syntax, "name='a": syntax, "name=a and name=b": syntax,
		"nothing=1": "Filter 'nothing' does not exist.", "q='name=a'": "Filter 'q' does not exist.", "ordering=name": "Filter 'ordering' does not exist.", "amount=x": "Enter a number.",
		strings.Repeat("NOT ", 8) + "name=a":       "Filter expression exceeds allowed complexity.",
		strings.Repeat("name=a OR ", 7) + "name=a": "Filter expression exceeds allowed complexity.",
		strings.Repeat("(", 5000) + "name=a":       "Filter expression exceeds allowed complexity.",
	} {
		require.Equal(t, map[string]any{"q": []any{sentence}}, s.ask(t, "GET", "shop/orders/?q="+url.QueryEscape(query), "").object(t), "%.60s", query)
	}
	require.Equal(t, http.StatusOK, s.ask(t, "GET", "shop/orders/?q="+url.QueryEscape(strings.Repeat("NOT ", 7)+"name=a"), "").code)
}

func TestReferencesAndIdentitiesFilter(t *testing.T) {
	t.Parallel()
	s := openShop(t, file.Plugin())
	remote := s.make(t, "remotes/file/file/", `{"name":"r","url":"http://example.org/M"}`)
	a := s.make(t, "shop/orders/", `{"name":"a","remote":"`+remote+`"}`)
	b := s.make(t, "shop/orders/", `{"name":"b"}`)
	id := func(href string) string { return strings.Split(href, "/")[6] }
	remotePRN := s.ask(t, "GET", remote, "").field(t, "prn")
	for query, want := range map[string][]string{
		"remote=" + remote: {"a"}, "remote=http://elsewhere" + remote: {"a"}, "remote=" + remotePRN: {"a"}, "remote=null": {"b"},
		"remote=" + shopAPI + "remotes/file/file/": {"a"}, "pulp_id__in=" + id(a) + "," + id(b): {"b", "a"}, "pulp_id__in=" + strings.ToUpper(id(a)): {"a"},
		"pulp_href__in=" + a + "," + b: {"b", "a"}, "pulp_href__in=" + a + "&pulp_href__in=" + b: {"b", "a"}, "prn__in=prn:shop.order:" + id(a): {"a"},
		"prn__in=prn:shop.order:" + pulp.NewID().String(): {}, "pulp_href__in=" + remote: {}, "pulp_id__in=": {"b", "a"},
	} {
		require.Equal(t, want, s.names(t, "shop/orders/?"+query, "name"), query)
	}
}

func TestLabelsSelect(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	for name, labels := range map[string]string{
		"prod": `{"env":"Prod","tier.one":"1","with blank":"x"}`, "test": `{"env":"test","note":"a,b"}`, "void": `{"env":null}`, "empty": `{"env":""}`, "bare": `{}`,
	} {
		s.make(t, "shop/orders/", `{"name":"`+name+`","pulp_labels":`+labels+`}`)
	}
	for query, want := range map[string]string{
		"env": "empty prod test void", "!env": "bare", "env=test": "test", "env=Prod": "prod", "env=prod": "", "env!=test": "empty prod void", "env~PRO": "prod", "env~": "empty prod test",
		"tier.one=1": "prod", "with blank=x": "prod", "env,tier.one": "prod", "env,!note": "empty prod void", `note=a\,b`: "test", "note~%": "", "env=": "empty", " env , note ": "test", "": "bare empty prod test void",
	} {
		require.Equal(t, strings.Fields(want), s.names(t, "shop/orders/?ordering=name&pulp_label_select="+url.QueryEscape(query), "name"), query)
	}
	for _, bad := range []string{"!env=x", "!env~x", "a(b", "=x", "env,", "é%"} {
		require.Equal(t, http.StatusBadRequest, s.ask(t, "GET", "shop/orders/?pulp_label_select="+url.QueryEscape(bad), "").code, bad)
	}
}

func TestListsOfAllTypesSelectByType(t *testing.T) {
	t.Parallel()
	s := openShop(t, file.Plugin())
	s.make(t, "repositories/file/file/", `{"name":"r"}`)
	for query, want := range map[string][]string{"": {"r"}, "pulp_type=file.file": {"r"}, "pulp_type__in=file.file": {"r"}, "pulp_type=": {"r"}} {
		require.Equal(t, want, s.names(t, "repositories/?"+query, "name"), query)
	}
	require.Equal(t, reply{400, `{"pulp_type":["Select a valid choice. rpm.rpm is not one of the available choices."]}`}, s.ask(t, "GET", "repositories/?pulp_type=rpm.rpm", ""))
	require.Equal(t, http.StatusBadRequest, s.ask(t, "GET", "repositories/file/file/?pulp_type=file.file", "").code)
	for _, o := range s.Operations() {
		require.NotEqual(t, "repositories_set_label", o.ID, "objects are not below the lists of all types")
		for _, p := range o.Query {
			if o.ID == "repositories_list" && p.Name == "pulp_type" {
				require.Equal(t, []string{"file.file"}, p.Value.Enum)
			}
		}
	}
}

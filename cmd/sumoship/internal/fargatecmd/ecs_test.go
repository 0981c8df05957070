package fargatecmd

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sumoship/cmd/sumoship/internal/cli"
	"sumoship/cmd/sumoship/internal/clitest"
)

// ecsCall is a request that came to a fake of Amazon ECS.
type ecsCall struct{ operation, authorization, body string }

// fakeECS answers all calls with status and answer. The real client talks to it,
// so that what is tested is what goes over the wire.
func fakeECS(t *testing.T, status int, answer string) *[]ecsCall {
	t.Helper()
	var calls []ecsCall
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || int64(len(body)) != r.ContentLength {
			t.Errorf("%d bytes of %d: %v", len(body), r.ContentLength, err)
		}
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		calls = append(calls, ecsCall{operation, r.Header.Get("Authorization"), string(body)})
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		io.WriteString(w, answer)
	}))
	t.Cleanup(api.Close)
	clitest.SetAWS(t, api.URL)
	return &calls
}

func TestRegisterSendsWhatTheSDKDoesNotKnow(t *testing.T) {
	calls := fakeECS(t, http.StatusOK,
		`{"taskDefinition":{"family":"shop","revision":8,"taskDefinitionArn":"arn:aws:ecs:eu-west-1:123456789012:task-definition/shop:8"}}`)
	status, out, errs := command(t, nil, "fargate", "register", file(t, "shop.json", tomorrow))
	if status != cli.ExitOK || out != "shop:8\n" || errs != "" {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	if len(*calls) != 1 || (*calls)[0].operation != "RegisterTaskDefinition" ||
		!strings.HasPrefix((*calls)[0].authorization, "AWS4-HMAC-SHA256 ") {
		t.Fatalf("%+v", *calls)
	}
	if diff := cmp.Diff(clitest.ExactJSON(t, tomorrow), clitest.ExactJSON(t, (*calls)[0].body)); diff != "" {
		t.Errorf("the request (-want +got):\n%s", diff)
	}

	status, out, _ = command(t, nil, "fargate", "register", file(t, "shop.json", tomorrow), "--json")
	want := `{"family":"shop","revision":8,"taskDefinitionArn":"arn:aws:ecs:eu-west-1:123456789012:task-definition/shop:8"}` + "\n"
	if status != cli.ExitOK || out != want {
		t.Errorf("status %d\n%s", status, out)
	}
}

// What ECS describes is converted whole, with its tags, though the SDK does not
// know all of it; and it is its Region that the logs go to.
func TestConvertFromECSKeepsWhatTheSDKDoesNotKnow(t *testing.T) {
	calls := fakeECS(t, http.StatusOK, `{"tags":[{"key":"team","value":"shop"}],"taskDefinition":{"family":"shop","revision":7,"status":"ACTIVE",
		"taskDefinitionArn":"arn:aws:ecs:eu-west-1:123456789012:task-definition/shop:7","registeredAt":1.7673230450E9,
		"quantumEntanglement":{"partner":9007199254740993},
		"containerDefinitions":[{"name":"web","image":"example.com/web:1","cpu":128,"memory":256,"essential":true}]}}`)
	status, out, errs := command(t, nil, "fargate", "convert", "--from-ecs", "shop:7", "--execution-role", "arn:aws:iam::123456789012:role/exec")
	if status != cli.ExitOK {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	var got struct {
		Tags                 []struct{ Key, Value string }
		Revision             int
		RegisteredAt         any
		QuantumEntanglement  struct{ Partner json.Number }
		NetworkMode          string
		ContainerDefinitions []struct {
			LogConfiguration struct{ Options map[string]string }
		}
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if got.Revision != 0 || got.RegisteredAt != nil || len(got.Tags) != 1 || got.Tags[0].Key != "team" || got.NetworkMode != "awsvpc" ||
		got.QuantumEntanglement.Partner != "9007199254740993" || got.ContainerDefinitions[0].LogConfiguration.Options["awslogs-region"] != "eu-west-1" {
		t.Errorf("%+v\n%s", got, out)
	}
	if len(*calls) != 3 || (*calls)[0].operation != "DescribeTaskDefinition" || (*calls)[1].operation != "ListAccountSettings" ||
		!cmp.Equal(clitest.ExactJSON(t, (*calls)[0].body), clitest.ExactJSON(t, `{"taskDefinition":"shop:7","include":["TAGS"]}`)) {
		t.Errorf("%+v", *calls)
	}
}

// The log mode that an account has chosen decides: one that is set for the caller, or
// blocking for the account. Who may not ask gets the default.
func TestAccountLogMode(t *testing.T) {
	for name, c := range map[string]struct {
		own, effective string
		want           string
	}{
		"own":            {`{"settings":[{"name":"defaultLogDriverMode","value":"non-blocking"}]}`, ``, "account's setting defaultLogDriverMode decides: non-blocking"},
		"of the account": {`{"settings":[]}`, `{"settings":[{"name":"defaultLogDriverMode","value":"blocking"}]}`, "decides: blocking"},
		"that of ECS":    {`{"settings":[]}`, `{"settings":[{"name":"defaultLogDriverMode","value":"non-blocking"}]}`, "get mode blocking"},
		"not allowed":    {`{"__type":"AccessDeniedException"}`, `{"__type":"AccessDeniedException"}`, "get mode blocking"},
	} {
		t.Run(name, func(t *testing.T) {
			api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				answer := ec2Shop
				switch {
				case !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".ListAccountSettings"):
				case strings.Contains(string(body), "effectiveSettings"):
					answer = c.effective
				default:
					answer = c.own
				}
				if strings.Contains(answer, "AccessDenied") {
					w.WriteHeader(http.StatusBadRequest)
				}
				io.WriteString(w, answer)
			}))
			t.Cleanup(api.Close)
			clitest.SetAWS(t, api.URL)
			status, out, errs := command(t, map[string]string{"COLUMNS": "1000"}, "fargate", "convert", "--from-ecs", "shop:7")
			if blocking := strings.Contains(out, `"mode": "blocking"`); status != cli.ExitOK || blocking != strings.HasPrefix(c.want, "get") {
				t.Errorf("status %d\n%s", status, out)
			}
			if !strings.Contains(strings.Join(strings.Fields(errs), " "), c.want) {
				t.Errorf("want %q in\n%s", c.want, errs)
			}
		})
	}
}

// A definition is in the Region of its ARN.
func TestConvertFromECSAsksTheRegionOfTheARN(t *testing.T) {
	calls := fakeECS(t, http.StatusBadRequest, `{"__type":"ClientException","message":"Unable to describe task definition."}`)
	const arn = "arn:aws:ecs:ap-southeast-2:123456789012:task-definition/shop:7"
	status, out, errs := command(t, nil, "fargate", "check", "--from-ecs", arn)
	want := fmt.Sprintf("sumoship: describe task definition %s: ClientException: Unable to describe task definition. (looked in ap-southeast-2)\n", arn)
	if status != cli.ExitAWS || out != "" || errs != want {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	for _, c := range *calls { // it also looks for similar names
		if !strings.Contains(c.authorization, "/ap-southeast-2/") {
			t.Errorf("%+v", c)
		}
	}
	if len(*calls) == 0 {
		t.Error("nothing was asked")
	}
}

func TestRegisterTellsWhyECSRefuses(t *testing.T) {
	fakeECS(t, http.StatusBadRequest, `{"__type":"ClientException","message":"No Fargate configuration exists for given values."}`)
	status, out, errs := command(t, nil, "fargate", "register", file(t, "shop.json", tomorrow))
	want := "sumoship: register task definition: ClientException: No Fargate configuration exists for given values.\n"
	if status != cli.ExitAWS || out != "" || errs != want {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}

func TestFargateNeedsARegionForAWS(t *testing.T) {
	calls := fakeECS(t, http.StatusOK, `{}`)
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	for _, args := range [][]string{{"convert", "--from-ecs", "shop"}, {"register", file(t, "shop.json", tomorrow)}} {
		status, out, errs := command(t, nil, append([]string{"fargate"}, args...)...)
		if status != cli.ExitUsage || out != "" || !strings.Contains(errs, "which Region?") || len(*calls) != 0 {
			t.Errorf("%v: status %d\n%s%s", args, status, out, errs)
		}
	}
}

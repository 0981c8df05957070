package main

import (
	"testing"

	"sumoship/function/awstest/moto"
)

// startMoto starts a moto_server for the time of the test and points the AWS
// configuration at it.
func startMoto(t *testing.T) {
	t.Helper()
	setAWS(t, moto.Start(t))
}

// setAWS points the AWS configuration at an endpoint.
func setAWS(t *testing.T, endpoint string) {
	t.Helper()
	for name, value := range map[string]string{"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere", "AWS_PROFILE": ""} {
		t.Setenv(name, value)
	}
}

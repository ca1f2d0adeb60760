import java.io.FileInputStream;
import java.security.KeyStore;
import java.security.cert.CertPathBuilder;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.PKIXRevocationChecker;
import java.security.cert.X509CertSelector;
import java.util.EnumSet;
import javax.net.ssl.CertPathTrustManagerParameters;
import javax.net.ssl.ExtendedSSLSession;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/** Arguments: the roots as PEM, then ports. Connects to each with Java's own TLS client, which checks the revocation of every certificate by what
 *  is stapled and by nothing else, sends a V2GTP message and reads it back. Prints a line for each port. */
public class StatusClient {
    public static void main(String[] arguments) throws Exception {
        KeyStore roots = KeyStore.getInstance(KeyStore.getDefaultType());
        roots.load(null, null);
        try (FileInputStream pem = new FileInputStream(arguments[0])) {
            for (Certificate root : CertificateFactory.getInstance("X.509").generateCertificates(pem)) {
                roots.setCertificateEntry("root " + roots.size(), root);
            }
        }
        for (int index = 1; index < arguments.length; index++) {
            System.out.println(visit(roots, Integer.parseInt(arguments[index])));
        }
    }

    static String visit(KeyStore roots, int port) throws Exception {
        PKIXRevocationChecker checker = (PKIXRevocationChecker) CertPathBuilder.getInstance("PKIX").getRevocationChecker();
        checker.setOptions(EnumSet.of(PKIXRevocationChecker.Option.NO_FALLBACK));
        PKIXBuilderParameters parameters = new PKIXBuilderParameters(roots, new X509CertSelector());
        parameters.setRevocationEnabled(true);
        parameters.addCertPathChecker(checker);
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(new CertPathTrustManagerParameters(parameters));
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket("127.0.0.1", port)) {
            socket.setEnabledProtocols(new String[] {"TLSv1.2"});
            socket.setEnabledCipherSuites(new String[] {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"});
            socket.setSoTimeout(10000);
            try {
                socket.startHandshake();
                byte[] sent = {1, (byte) 0xFE, (byte) 0x80, 1, 0, 0, 0, 1, 0};
                socket.getOutputStream().write(sent);
                int read = socket.getInputStream().readNBytes(sent.length).length;
                int responses = ((ExtendedSSLSession) socket.getSession()).getStatusResponses().size();
                return "accepted, " + responses + " responses, " + read + " octets back";
            } catch (java.io.IOException refusal) {
                Throwable cause = refusal;
                while (cause.getCause() != null) {
                    cause = cause.getCause();
                }
                return "refused: " + cause.getMessage();
            }
        }
    }
}

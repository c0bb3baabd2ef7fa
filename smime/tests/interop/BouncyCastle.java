import java.io.FileReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.Security;
import java.security.cert.X509Certificate;
import java.security.interfaces.ECPublicKey;
import java.security.spec.MGF1ParameterSpec;
import java.util.Arrays;
import java.util.List;
import javax.crypto.spec.OAEPParameterSpec;
import javax.crypto.spec.PSource;
import org.bouncycastle.asn1.cms.CMSObjectIdentifiers;
import org.bouncycastle.asn1.cms.ContentInfo;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cms.*;
import org.bouncycastle.cms.jcajce.*;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.operator.OutputAEADEncryptor;
import org.bouncycastle.operator.OutputEncryptor;
import org.bouncycastle.operator.jcajce.JcaAlgorithmParametersConverter;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;

/** Bouncy Castle as a peer: BouncyCastle OPERATION [OPTION...] in a folder with cert.pem, key.pem and content. */
public class BouncyCastle {
    static final String BC = "BC";

    public static void main(String[] arguments) {
        Security.addProvider(new BouncyCastleProvider());
        List<String> options = Arrays.asList(arguments);
        try {
            System.out.write(run(arguments[0], options));
            System.out.flush();
        } catch (Throwable error) {
            String reason = error.getClass().getSimpleName() + ": " + error.getMessage();
            System.err.println(error.getCause() == null ? reason : reason + ": " + error.getCause().getMessage());
            System.exit(1);
        }
    }

    static byte[] run(String operation, List<String> options) throws Exception {
        switch (operation) {
            case "sign": return sign(options);
            case "verify": return verify(options);
            case "encrypt": return encrypt(options);
            case "decrypt": return decrypt();
            default: throw new IllegalArgumentException(operation);
        }
    }

    static byte[] sign(List<String> options) throws Exception {
        String key = key().getAlgorithm();
        String algorithm = options.contains("pss") ? "SHA256withRSAandMGF1"
            : key.equals("RSA") ? "SHA256withRSA" : key.startsWith("Ed") ? "Ed25519" : "SHA256withECDSA";
        var digests = new JcaDigestCalculatorProviderBuilder().setProvider(BC).build();
        var signer = new JcaContentSignerBuilder(algorithm).setProvider(BC).build(key());
        var generator = new CMSSignedDataGenerator();
        generator.addSignerInfoGenerator(new JcaSignerInfoGeneratorBuilder(digests).build(signer, certificate()));
        generator.addCertificates(new JcaCertStore(List.of(certificate())));
        return generator.generate(new CMSProcessableByteArray(content()), options.contains("opaque")).getEncoded();
    }

    static byte[] verify(List<String> options) throws Exception {
        byte[] message = read("signed");
        boolean opaque = options.contains("opaque");
        var signed = opaque ? new CMSSignedData(message)
            : new CMSSignedData(new CMSProcessableByteArray(content()), message);
        for (SignerInformation signer : signed.getSignerInfos()) {
            var found = signed.getCertificates().getMatches(signer.getSID());
            var holder = (X509CertificateHolder) found.iterator().next();
            var verifier = new JcaSimpleSignerInfoVerifierBuilder().setProvider(BC).build(holder);
            if (!signer.verify(verifier)) {
                throw new CMSException("the signature does not verify");
            }
        }
        return opaque ? (byte[]) signed.getSignedContent().getContent() : content();
    }

    static byte[] encrypt(List<String> options) throws Exception {
        RecipientInfoGenerator recipient = recipient(options.contains("oaep"));
        var data = new CMSProcessableByteArray(content());
        if (options.contains("gcm")) {
            var generator = new CMSAuthEnvelopedDataGenerator();
            generator.addRecipientInfoGenerator(recipient);
            OutputEncryptor cipher = new JceCMSContentEncryptorBuilder(CMSAlgorithm.AES256_GCM).setProvider(BC).build();
            return generator.generate(data, (OutputAEADEncryptor) cipher).getEncoded();
        }
        var generator = new CMSEnvelopedDataGenerator();
        generator.addRecipientInfoGenerator(recipient);
        return generator.generate(data, new JceCMSContentEncryptorBuilder(CMSAlgorithm.AES256_CBC).setProvider(BC).build())
            .getEncoded();
    }

    static RecipientInfoGenerator recipient(boolean oaep) throws Exception {
        X509Certificate certificate = certificate();
        if (certificate.getPublicKey().getAlgorithm().equals("RSA")) {
            if (!oaep) {
                return new JceKeyTransRecipientInfoGenerator(certificate).setProvider(BC);
            }
            var sha256 = new OAEPParameterSpec("SHA-256", "MGF1", MGF1ParameterSpec.SHA256, PSource.PSpecified.DEFAULT);
            var identifier = new JcaAlgorithmParametersConverter().getAlgorithmIdentifier(
                PKCSObjectIdentifiers.id_RSAES_OAEP, sha256);
            return new JceKeyTransRecipientInfoGenerator(certificate, identifier).setProvider(BC);
        }
        var generator = KeyPairGenerator.getInstance("EC", BC);
        generator.initialize(((ECPublicKey) certificate.getPublicKey()).getParams());
        var ephemeral = generator.generateKeyPair();
        return new JceKeyAgreeRecipientInfoGenerator(CMSAlgorithm.ECDH_SHA256KDF, ephemeral.getPrivate(),
            ephemeral.getPublic(), CMSAlgorithm.AES256_WRAP).addRecipient(certificate).setProvider(BC);
    }

    static byte[] decrypt() throws Exception {
        byte[] message = read("sealed");
        boolean rsa = key().getAlgorithm().equals("RSA");
        RecipientInformationStore recipients;
        Recipient recipient;
        if (ContentInfo.getInstance(message).getContentType().equals(CMSObjectIdentifiers.authEnvelopedData)) {
            if (!rsa) {
                throw new CMSException("there is no JceKeyAgreeAuthEnvelopedRecipient");
            }
            recipients = new CMSAuthEnvelopedData(message).getRecipientInfos();
            recipient = new JceKeyTransAuthEnvelopedRecipient(key()).setProvider(BC);
        } else {
            recipients = new CMSEnvelopedData(message).getRecipientInfos();
            recipient = rsa ? new JceKeyTransEnvelopedRecipient(key()).setProvider(BC)
                : new JceKeyAgreeEnvelopedRecipient(key()).setProvider(BC);
        }
        return recipients.getRecipients().iterator().next().getContent(recipient);
    }

    static X509Certificate certificate() throws Exception {
        try (PEMParser parser = new PEMParser(new FileReader("cert.pem"))) {
            return new JcaX509CertificateConverter().setProvider(BC)
                .getCertificate((X509CertificateHolder) parser.readObject());
        }
    }

    static PrivateKey key() throws Exception {
        try (PEMParser parser = new PEMParser(new FileReader("key.pem"))) {
            return new JcaPEMKeyConverter().setProvider(BC).getPrivateKey((PrivateKeyInfo) parser.readObject());
        }
    }

    static byte[] content() throws Exception {
        return read("content");
    }

    static byte[] read(String name) throws Exception {
        return Files.readAllBytes(Path.of(name));
    }
}
